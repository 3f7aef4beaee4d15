<?php
$db = new mysqli('localhost', 'blog', 'words', 'blog_main');
$n = $db->query('SELECT count(*) FROM posts')->fetch_row()[0];
echo "<!doctype html><title>Blog</title><p>$n posts</p>\n";
