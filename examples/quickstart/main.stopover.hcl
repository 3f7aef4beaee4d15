# The server that the account lives on now, and comes back to.
server "client" {
  address = "client"        # the pocket server's directory, beside this file
  serves  = ["127.20.26.1"] # what visitors reach
}

# The server that it stops over on meanwhile. It does not exist yet.
server "transit" {
  address = "transit"
  serves  = ["127.20.26.2"]
}

# What servers offer after the journey. There is a mistake in here: the README
# says how it is noticed, and mended.
architecture "2024" {
  database "mariadb" { version = "10.11" }
  removed = ["couchdb", "sqlite"]
}

migration "spring" {
  process      = "self-managed"
  architecture = "2024"
  source       = server.client
  transit      = server.transit

  accounts { include = ["*"] }
}
