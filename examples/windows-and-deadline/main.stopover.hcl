# When, until when, and what it costs: windows, a deadline, the price of a longer
# journey, and a downtime that must not be exceeded.

variable "handover" { type = string } # days, as 2026-12-01; see the README
variable "deadline" { type = string }
variable "nights" { type = list(string) }

server "client" {
  address = "client"
  serves  = ["127.20.36.1"]
  price   = "389 EUR/month"
}

# Not handed over yet: nobody knows its address.
server "transit" {
  serves = ["127.20.36.2"]
}

architecture "2024" {
  database "sqlite" { version = "3" }
}

# Cutovers begin while the window is open, by a clock on the wall of its place. The
# process of 2021 moves accounts home in working hours only, until 18:00: on the
# way home this window and those have an hour in common.
window "evening" {
  days     = ["mon", "tue", "wed", "thu", "fri"]
  from     = "17:00"
  to       = "20:00"
  timezone = "Europe/Paris"
  except   = ["2026-12-24", "2026-12-31"]
}

# The shop may only be touched on two days that were agreed with its owner.
window "agreed" {
  dates    = var.nights
  from     = "14:00"
  to       = "16:00"
  timezone = "Europe/Paris"
}

migration "winter" {
  process      = "private-cloud-2021"
  architecture = "2024"
  source       = server.client
  transit      = server.transit
  timezone     = "Europe/Paris"
  handover_on  = var.handover
  finish_by    = var.deadline
  window       = window.evening

  account "shop" { window = window.agreed }

  account "bank" {
    after           = ["blog", "forum"]
    downtime_budget = "2m"
  }

  account "archive" {
    after = ["bank"]
  }

  accounts { include = ["*"] }
}
