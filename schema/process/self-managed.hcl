# A round trip between servers of one's own: everything is done by the operator,
# accounts can go back until the source is reinstalled, and no clock runs.
#
# These rules are Stopover's own. A comment above each says why it is so:
#   own:        chosen by Stopover
#   documented: taken over from the process of a hosting provider

process "self-managed" {
  title     = "Round trip between servers of your own"
  source    = "Stopover"
  certainty = "own"

  phase "prepare" {
    doc = "Every account is checked against the new architecture, and its probes are recorded, while it stays in use."
    # own: there is nobody else
    by = "operator"
  }

  phase "request" {
    doc = "All accounts are ready: the transit server is wanted."
    # own: there is nobody else
    by = "operator"
    # own: on a server of one's own the check against the architecture says the same, without touching the source
    removes_runtimes = false
  }

  phase "install" {
    doc = "The transit server is brought up on the new architecture, and data is copied ahead."
    # own: there is nobody else
    by = "operator"
    # own: bringing a server up by hand or by script; a guess until one was measured
    lasts = ["10m", "4h"]
    # own: everything that can be copied while in use is copied ahead, so that the cutover is short
    precopy = ["files", "mail", "databases"]
  }

  phase "migrate" {
    doc = "Accounts move one by one; the source passes the traffic of those that have moved on to transit."
    # own: there is nobody else
    by = "operator"
    # own: windows are the configuration's business
    hours = "any"
    # own: one at a time keeps each outage short and each failure alone; raise it in a copy of this process
    parallel = 1
  }

  phase "verify" {
    doc = "Each account is probed on transit, looked at, and accepted or sent back."
    # own: there is nobody else
    by = "operator"
    # own: a person says that an account works, not the program that moved it
    gate = "always"
  }

  phase "reinstall" {
    doc = "Transit takes over the service addresses, the source is reinstalled, data is copied back ahead, and the addresses come back. Nothing leads back from here."
    # own: there is nobody else
    by = "operator"
    # own: reinstalling by hand or by script; a guess until one was measured
    lasts = ["10m", "4h"]
    # own: everything that can be copied while in use is copied ahead, so that the cutover is short
    precopy = ["files", "mail", "databases"]
  }

  phase "relocate" {
    doc = "Accounts move back to the reinstalled source one by one, each with the same disruption as on the way out."
    # own: there is nobody else
    by = "operator"
    # own: windows are the configuration's business
    hours = "any"
    # own: one at a time keeps each outage short and each failure alone; raise it in a copy of this process
    parallel = 1
  }

  phase "finish" {
    doc = "All accounts are home; the transit server is empty and is released."
    # own: there is nobody else
    by = "operator"
  }

  # own: an account that is not ready would hold the transit server up
  barrier {
    before = "request"
    needs  = "prepared"
  }

  # own: the reinstallation deletes what is still on the source
  barrier {
    before = "reinstall"
    needs  = "accepted_or_retired"
  }

  # own: the transit server is given away empty
  barrier {
    before = "finish"
    needs  = "transit_empty"
  }

  # own: the source keeps its copy until it is wiped, so an account can go back until then
  rollback {
    # own: the reinstallation is the point of no return
    until = "reinstall"
  }

  # own: servers of one's own have no free period, no clock runs
  free {}

  relocation {
    # own: there is nobody else
    by = "operator"
  }

  downtime {
    # documented: the rule of thumb of a hosting provider, a minute per GB of databases; used until something was measured
    per_gb = "1m"
    # own: stop, last changes, compare, switch; used until something was measured
    base = "10s"
    # documented: about a minute, as a hosting provider observes it; used until something was measured
    reroute = "1m"
  }

  # own: the source redirects, is rerouted, and ends with the same addresses
  dns "external-address" {
    action = "keep"
    record = "A, AAAA"
    doc    = "Names keep their A and AAAA records during the whole journey."
  }
}
