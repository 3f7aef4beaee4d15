# The journey of a private server by the process of 2025. examples/process-2021 and
# examples/process-2025 have the same accounts; only the process is another one.
server "client" {
  address = "client"
  serves  = ["127.20.35.1"]
  depot   = "depot" # what runtimes are installed from
  price   = "389 EUR/month"
}

# Support has not handed it over yet, so that nobody knows its address.
server "transit" {
  serves   = ["127.20.35.2"]
  depot    = "depot"
  outgoing = "127.20.35.2"
}

architecture "2024" {
  os = "debian-12"
  runtime "php" { versions = ["8.2"] }
  database "sqlite" { version = "3" }
}

# What the world is told of the accounts' names. A file here; resolvers otherwise.
dns {
  zone_file            = "names.zone"
  provider_nameservers = ["dns1.host.example", "dns2.host.example"]
}

migration "spring" {
  process      = "private-cloud-2025"
  architecture = "2024"
  source       = server.client
  transit      = server.transit
  timezone     = "Europe/Paris"

  account "shop" {
    after           = ["blog"]
    contact         = "ann@shop.example"
    downtime_budget = "30s"

    probe "cart" {
      http     = "http://shop.example/"
      contains = "cart"
    }
    probe "orders" {
      smtp = "orders@shop.example"
    }
  }

  account "blog" {
    contact  = "bruno@blog.example"
    language = "fr"
  }
}
