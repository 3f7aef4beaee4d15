# A round trip on two servers of one's own, with what happens on real ones: an
# account that does not come along, one that is renamed and one that is closed on
# the way, a file that nobody owns, a finding that somebody answers for.
server "client" {
  address = "client"
  serves  = ["127.20.33.1"]
  depot   = "depot" # what runtimes are installed from
}

server "transit" {
  address = "transit"
  serves  = ["127.20.33.2"]
  depot   = "depot"
}

architecture "2024" {
  runtime "php" { versions = ["8.2"] }
  database "sqlite" { version = "3" }
}

migration "spring" {
  process      = "self-managed"
  architecture = "2024"
  source       = server.client
  transit      = server.transit

  account "shop" {
    after           = ["blog"]
    downtime_budget = "20s"

    probe "front-page" {
      http     = "http://shop.example/"
      contains = "Shop"
    }
    probe "orders" {
      smtp = "orders@shop.example"
    }
  }

  accounts {
    include = ["*"]
    exclude = ["old-club"]
  }

  # It stays behind: kept as an archive in client.archive/, and stopped.
  stays "old-club" {
    action = "archive"
    reason = "the club was closed in March"
  }
}
