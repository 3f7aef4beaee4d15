layout "debian-vmail" {
  like = "debian"
  doc  = "As \"debian\", with the mailboxes of virtual users below /var/vmail: Dovecot's users in /etc/dovecot/users, one home of mail for each domain."

  # A mailbox belongs to the account that owns its files; without one, to the
  # account that serves its domain.
  mail       = ["{home}/Maildir", "/var/vmail/{domain}/{user}"]
  mail_users = ["/etc/dovecot/users"]
}
