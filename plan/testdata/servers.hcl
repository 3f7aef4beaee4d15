server "client" {
  provider = "local"
  address  = "client"
  serves   = ["127.0.0.10"]
}

server "transit" {
  provider = "local"
  address  = "transit"
  serves   = ["127.0.0.20"]
}

architecture "2024" {
  runtime "php" { versions = ["8.2", "8.3"] }
  database "mariadb" { version = "10.11" }
  removed = ["mongodb"]
}
