# Accounts from a list that somebody else keeps, a few more by a loop, and rules
# of one's own.

variable "shops" {
  type        = map(string)
  description = "Shops, and a text that their front page must have."
  default = {
    shop-en = "Your cart"
    shop-fr = "Votre panier"
  }
}

variable "longest" {
  type        = string
  description = "The longest downtime of one account that is acceptable."
  default     = "5s"
}

server "client" {
  address = "client"
  serves  = ["127.20.31.1"]
}

server "transit" {
  address = "transit"
  serves  = ["127.20.31.2"]
}

architecture "2024" {
  database "sqlite" { version = "3" }
}

migration "spring" {
  process      = "self-managed"
  architecture = "2024"
  source       = server.client
  transit      = server.transit

  # A column is an argument of an account; an empty cell is not set.
  accounts { from = csvdecode(file("accounts.csv")) }

  dynamic "account" {
    for_each = var.shops
    labels   = [account.key]

    content {
      after = ["bakery"]

      probe "front-page" {
        http     = "http://${account.key}.example/"
        status   = 200
        contains = account.value
      }
    }
  }
}

# Rules of your own: a check looks at what was found, a policy at the plan.
check "somebody to tell" {
  severity  = "warning"
  condition = alltrue([for a in local.list : a.contact != ""])
  message   = "Nobody to tell of the outage: ${join(", ", [for a in local.list : a.name if a.contact == ""])}."
  remedy    = "Fill in the column contact of accounts.csv."
}

check "small accounts" {
  accounts  = ["*"]
  condition = account.files.entries < 100000
  message   = "${account.name} has ${account.files.entries} files: its cutover would be long."
  remedy    = "Ask its owner to delete caches."
}

policy "no long outage" {
  condition = plan.downtime.max <= duration(var.longest)
  message   = "An account would be down for ${plan.downtime.max}; at most ${var.longest} were promised."
}

locals {
  list = csvdecode(file("accounts.csv"))
}
