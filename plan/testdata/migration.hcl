migration "spring" {
  process      = "self-managed"
  architecture = "2024"
  source       = server.client
  transit      = server.transit

  accounts { include = ["*"] }
}
