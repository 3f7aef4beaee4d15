<?php
$dsn = 'mysql:unix_socket=/run/mysqld/mysqld.sock;dbname=shop;charset=utf8mb4';
$user = 'shop';
$password = 'cart-and-checkout';
// Ties this shop to its server, as real ones are.
$api = 'http://@ADDRESS@/api';
$images = 'https://@NAME@.example.net/images';
$redis = ['host' => '127.0.0.1', 'port' => 6379];
