CREATE DATABASE blog_main CHARACTER SET latin1;
CREATE USER blog@localhost IDENTIFIED BY 'words';
GRANT ALL PRIVILEGES ON blog_main.* TO blog@localhost;
USE blog_main;
CREATE TABLE posts (id INT AUTO_INCREMENT PRIMARY KEY, title VARCHAR(200), body TEXT) ENGINE=InnoDB;
INSERT INTO posts (title, body) SELECT concat('post ', seq), repeat('words ', 50) FROM seq_1_to_300;
