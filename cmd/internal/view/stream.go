package view

// MessageType is one type of the stream's messages.
type MessageType struct {
	Name string
	Doc  string
	Keys []string // that it may have, besides those of every message
}

// baseKeys are the keys of every message.
func baseKeys() []string { return []string{"@level", "@message", "@module", "@timestamp", "type"} }

// stepKeys are those of every message about a step.
func stepKeys(more ...string) []string {
	return append([]string{"step", "phase", "op", "account", "part", "server", "from", "to", "text", "steps_done", "steps_total", "run_eta_ms"}, more...)
}

// MessageTypes lists every type of the stream, in the order in which a run
// prints them. A reader leaves out types and keys that it does not know.
func MessageTypes() []MessageType {
	copied := []string{"bytes", "bytes_total", "items", "items_total", "rate", "eta_ms", "duration_ms", "downtime_ms"}
	return []MessageType{
		{"version", "The first message of a stream. `ui` is the version of the stream: its second number grows when something is added, its first one when something changes.", []string{"stopover", "ui"}},
		{"log", "Something to know that is no step: about the state store, or what a step noticed.", stepKeys(copied...)},
		{"diagnostic", "Something is wrong with the configuration (with `range` and `snippet`), or the program ends with an error, which `error` then says in one sentence.", []string{"diagnostic", "error"}},
		{"finding", "One finding of the plan that the run begins with. `waived` in it says that it stops nothing.", []string{"finding", "account"}},
		{"planned_change", "One account that the plan moves: `route` are the servers, `cutovers` its moves with the predicted downtime.", []string{"change", "account"}},
		{"gate", "Somebody outside has to do something: who, what, and how it is noticed. Once before the run for each gate that is open, and when one opens.", stepKeys("gate")},
		{"change_summary", "Ends what is said of the plan. `changes` has the names of Terraform's stream; `plan` has the digest, counts of steps, the predicted downtime and when the journey ends.", []string{"changes", "plan"}},
		{"run_start", "A run begins. `apply` may do several, one after the other, until nothing more can be done.", nil},
		{"step_start", "A step begins.", stepKeys()},
		{"step_progress", "How far a step is: bytes, rate in bytes per second, time left. Several in a second at most from all steps together.", stepKeys(copied...)},
		{"step_measured", "One part of a cutover was measured; `text` names it.", stepKeys(copied...)},
		{"downtime", "The downtime of a cutover was measured. `text` is `downtime` (from the freeze to the moment in which the other server was active) or `outside` (the longest time without an answer, seen through the account's address).", stepKeys("duration_ms")},
		{"step_complete", "A step is done.", stepKeys(copied...)},
		{"step_errored", "A step gave up. With `undone` the account is where it was, and answers.", stepKeys(append(copied, "error", "undone")...)},
		{"step_skipped", "A step was not tried; `text` says because of what.", stepKeys(copied...)},
		{"cutover", "An account has moved: downtime as measured, and its parts.", []string{"account", "to", "downtime_ms", "outside_ms", "cutover"}},
		{"run_end", "A run ended. `result` has what became of every account; `error` why the run did not do everything.", []string{"result", "error"}},
		{"waiting", "Only gates and closed windows are left. Before the end of the program it names them; while `apply --wait` sleeps it comes every five minutes, with `until` where a window opens.", stepKeys("gates", "windows", "until", "eta_ms")},
		{"conclusion", "How things are when apply can do no more.", []string{"gates", "blocked", "steps_left"}},
	}
}
