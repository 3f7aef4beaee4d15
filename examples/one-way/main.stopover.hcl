# One way: the process "direct" has no reinstallation and no way back. What it
# calls transit is where the accounts stay.
server "old" {
  address = "client"
  serves  = ["127.20.32.1"]
}

server "new" {
  address = "new"
  serves  = ["127.20.32.2"]
}

architecture "2024" {
  database "sqlite" { version = "3" }
}

migration "to-the-new-server" {
  process      = "direct"
  architecture = "2024"
  source       = server.old
  transit      = server.new

  account "studio" {
    after = ["blog"]

    probe "mail" {
      smtp = "hello@studio.example"
    }
    probe "page" {
      http     = "http://studio.example/"
      contains = "Studio"
    }
  }

  accounts { include = ["*"] }
}
