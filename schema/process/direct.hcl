# From one server to another, for good: no reinstallation, no journey home, and
# no way back for an account that has moved.
#
# These rules are Stopover's own. A comment above each says why it is so:
#   own:        chosen by Stopover
#   documented: taken over from the process of a hosting provider

process "direct" {
  title     = "One way to another server"
  source    = "Stopover"
  certainty = "own"

  phase "prepare" {
    doc = "Every account is checked against the new architecture, and its probes are recorded, while it stays in use."
    # own: there is nobody else
    by = "operator"
  }

  phase "install" {
    doc = "The destination is brought up, and data is copied ahead."
    # own: there is nobody else
    by = "operator"
    # own: bringing a server up by hand or by script; a guess until one was measured
    lasts = ["10m", "4h"]
    # own: everything that can be copied while in use is copied ahead, so that the cutover is short
    precopy = ["files", "mail", "databases"]
  }

  phase "migrate" {
    doc = "Accounts move one by one; the source passes the traffic of those that have moved on to the destination."
    # own: there is nobody else
    by = "operator"
    # own: windows are the configuration's business
    hours = "any"
    # own: one at a time keeps each outage short and each failure alone; raise it in a copy of this process
    parallel = 1
  }

  phase "verify" {
    doc = "Each account is probed on the destination, looked at, and accepted."
    # own: there is nobody else
    by = "operator"
    # own: a person says that an account works, not the program that moved it
    gate = "always"
  }

  phase "finish" {
    doc = "All accounts live on the destination. The source keeps redirecting until its owner switches it off."
    # own: there is nobody else
    by = "operator"
  }

  # own: the journey is over when every account was accepted where it lives now, or stays on record;
  # the destination is not emptied, as a transit server would be
  barrier {
    before = "finish"
    needs  = "accepted_or_retired"
  }

  # own: one way; take the round trip where accounts must be able to go back
  rollback {}

  # own: servers of one's own have no free period, no clock runs
  free {}

  # own: nothing comes back
  relocation {}

  downtime {
    # documented: the rule of thumb of a hosting provider, a minute per GB of databases; used until something was measured
    per_gb = "1m"
    # own: stop, last changes, compare, switch; used until something was measured
    base = "10s"
  }

  # own: the addresses do not follow, the source only redirects while it lives
  dns "external-address" {
    action = "change_before_finish"
    record = "A, AAAA"
    doc    = "Names on external DNS must point to the destination before the source is switched off; until then the source redirects."
  }
}
