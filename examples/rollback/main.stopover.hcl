server "client" {
  address = "client"
  serves  = ["127.20.37.1"]
}

server "transit" {
  address = "transit"
  serves  = ["127.20.37.2"]
}

architecture "2024" {
  database "sqlite" { version = "3" }
}

migration "spring" {
  process      = "self-managed"
  architecture = "2024"
  source       = server.client
  transit      = server.transit

  accounts { include = ["*"] }
}
