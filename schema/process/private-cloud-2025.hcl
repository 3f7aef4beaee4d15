# The required migration of a private server as described since April 2025:
# accounts can go back for a while, and the customer may run the way home.
#
# A comment above each rule says where it comes from and how sure that is:
#   documented: the provider's own words
#   inferred:   concluded from them, or from the drawings beside them
#   own:        chosen by Stopover, because the provider says nothing
#
# A shared transit server is possible too, granted case by case: free without
# limit of time, but without precopy and without the server's own settings. To
# plan for one, copy this process, and take "precopy" and "free" out.

process "private-cloud-2025" {
  title     = "Required migration of a private server, version of 2025"
  source    = "alwaysdata documentation, Private Cloud: Required Migrations Process, 2025-04-16"
  certainty = "documented"

  phase "prepare" {
    doc = "Every account is checked against the new architecture and made ready for it, while it stays in use."
    # documented: step 1 is the customer's; encouraged since 2024, no longer mandatory
    by = "customer"
  }

  phase "request" {
    doc = "All accounts are ready: the transit server is asked for."
    # documented: step 2, the customer asks by ticket and support acts
    by = "support"
    # documented: the check by removing runtimes was dropped in October 2024
    removes_runtimes = false
  }

  phase "install" {
    doc = "Wait until an equivalent transit server is free, then it is set up, and files and mail are copied ahead."
    # documented: step 3, done by support once a server is free, which may mean to wait; inferred: without limit, and not billed
    by = "support"
    # inferred: the text says "several hours" and gives no figure; the wait before it is not part of this
    lasts = ["2h", "8h"]
    # documented: files and mail are copied ahead, databases are not; on a shared transit server nothing is
    precopy = ["files", "mail"]
  }

  phase "migrate" {
    doc = "Accounts move one by one; the source passes the traffic of those that have moved on to transit."
    # documented: step 4, started by the customer, account by account
    by = "customer"
    # documented: at any time that suits the customer
    hours = "any"
    # inferred: text and drawings move one account after the other
    parallel = 1
  }

  phase "verify" {
    doc = "The customer looks at each account on transit, mends what the new architecture broke, and accepts it or sends it back."
    # documented: step 5, the customer checks, and asks for the reinstallation when all is well
    by = "customer"
    # own: nobody but the customer can say that an account works
    gate = "always"
  }

  phase "reinstall" {
    doc = "The service addresses are rerouted to transit, the source is reinstalled, data is copied back ahead, and the addresses come back. Nothing leads back from here."
    # documented: step 6, done by support, only when no account is left on the source
    by = "support"
    # inferred: the text says "several hours" and gives no figure
    lasts = ["2h", "8h"]
    # documented: data is copied back ahead; inferred: the same kinds as in step 3
    precopy = ["files", "mail"]
  }

  phase "relocate" {
    doc = "Accounts move back to the reinstalled source one by one, each with the same disruption as on the way out."
    # documented: step 7 is run by the customer, or by support in working days and hours
    by = "customer"
    # inferred: a customer who runs it chooses the time
    hours = "any"
    # inferred: text and drawings move one account after the other
    parallel = 1
  }

  phase "finish" {
    doc = "All accounts are home; the transit server is empty and is released."
    # inferred: step 8 only says that it is done; releasing the server can only be support's
    by = "support"
  }

  # documented: transit is asked for when all accounts are ready
  barrier {
    before = "request"
    needs  = "prepared"
  }

  # documented: no account may be left on the source, and all were checked on
  # transit; own: one that was archived or retired on record counts as gone
  barrier {
    before = "reinstall"
    needs  = "accepted_or_retired"
  }

  # inferred: the drawing of step 8 shows transit empty
  barrier {
    before = "finish"
    needs  = "transit_empty"
  }

  # documented: an account can go back for a while, in steps 4 and 5
  rollback {
    # documented: going back ends for good when the reinstallation begins
    until = "reinstall"
    # inferred: seven days from the account's own migration are stated for accounts
    # of the public offer; the page for private servers only says "temporary"
    days = 7
  }

  free {
    # documented: the transit server is free for at most two weeks
    days = 14
    # inferred: the clock starts when transit is handed over, at the end of step 3
    starts = "handover"
    # inferred: read literally, the clock stops when all accounts are migrated, not when they are home
    stops = "migrated"
    # inferred: "pro rata per day" does not say of what; a month of 30 days is the usual reading
    divisor = "30"
  }

  relocation {
    # documented: by the customer, or by support
    by = "customer"
    # documented: a customer who runs it has one week for it, free
    free_days = 7
  }

  downtime {
    # documented: rule of thumb, a minute per GB of databases
    per_gb = "1m"
    # inferred: "seconds" for an account whose files and mail were copied ahead
    base = "10s"
    # documented: about a minute while addresses are rerouted, for names on external DNS only
    reroute = "1m"
  }

  # inferred: "working days and hours" is all that is said; taken as the French working week
  working {
    days     = ["mon", "tue", "wed", "thu", "fri"]
    from     = "09:00"
    to       = "18:00"
    timezone = "Europe/Paris"
  }

  # documented: the source redirects, is rerouted, and ends with the same addresses
  dns "external-address" {
    action = "keep"
    record = "A, AAAA"
    doc    = "Names on external DNS keep their A and AAAA records during the whole journey."
  }

  # inferred: the provider's DNS changes the records it made itself, not those that users added
  dns "own-address" {
    action = "report"
    record = "A, AAAA"
    doc    = "Records that a user added on the provider's DNS with the source's addresses are not changed by the provider; look at each of them."
  }

  # documented: the advice of 2021 to delete it was withdrawn as wrong in November 2024
  dns "mx5" {
    action = "keep"
    record = "MX 5"
    doc    = "The MX of priority 5 that names the server stays; earlier advice to delete it was withdrawn."
  }
}
