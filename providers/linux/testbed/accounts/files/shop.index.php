<?php
require __DIR__ . '/config.php';
$db = new PDO($dsn, $user, $password, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
$orders = (int) $db->query('SELECT count(*) FROM orders')->fetchColumn();
?><!doctype html>
<title>Shop</title>
<h1>Cart</h1>
<p><?= $orders ?> orders, PHP <?= PHP_VERSION ?></p>
