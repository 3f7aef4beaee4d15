# Two real servers, over SSH: one that has to be reinstalled, and one that its
# accounts stop over on meanwhile.

variable "port" {
  type        = number
  description = "Port of the SSH servers."
  default     = 22
}

provider "linux" {
  # Keys of servers that are trusted. One that is not in here is refused; the
  # message says how to add it.
  known_hosts   = "known_hosts"
  identity_file = "id_ed25519"
  ssh_config    = "none" # take nothing from ~/.ssh/config
  port          = var.port
  layout        = "ours"
  survey_age    = "1h" # what was seen of a server is used again for so long
}

# Where things are. "stopover init --print-layout debian-vmail" shows the rest.
layout "ours" {
  like    = "debian-vmail"
  homes   = ["/srv/www/*"]
  exclude = ["deploy"]
}

server "client" {
  provider = "linux"
  address  = "localhost" # yours is another one
  serves   = ["192.0.2.10"]
  price    = "389 EUR/month"
}

# Its address may be missing until it was handed over.
server "transit" {
  provider = "linux"
}

architecture "2024" {
  os = "debian-13"
  runtime "php" {
    versions = ["8.4"]
  }
  database "mariadb" {
    version = "11.8"
  }
  database "postgresql" {
    version = "17"
  }
}

migration "spring" {
  process      = "self-managed"
  architecture = "2024"
  source       = server.client
  transit      = server.transit

  accounts {
    include = ["*"]
  }
}
