package plan

import "github.com/stopover/stopover/schema"

// Findings about time and money. Those that depend on the clock stand among the
// dates of a plan.
const (
	codePostponed      = "downtime-postponed"
	codeWindowTooShort = "window-too-short"
	codeWindowNever    = "window-never"
	codeMissed         = "deadline-missed"
	codeClose          = "deadline-close"
	codeForced         = "forced-before-end"
	codeFinishUnknown  = "finish-by-unknown"
	codeFreeOver       = "free-days-over"
)

// timeKinds is never written to.
var timeKinds = []FindingKind{
	{Code: codePostponed, Title: "the cutover waits until it fits its budget", Severity: schema.Warning, Certainty: inferred,
		Doc: "The cutover is predicted to take longer than `downtime_budget`, and `on_exceed` is `postpone`. The account is prepared and copied ahead, the others go on, " +
			"and each later plan looks again: it is taken up as soon as the prediction fits, which it may do once cutovers of other accounts have been measured. Barriers wait for it.",
		Remedy: "Move others first, and plan again. If it is the last one, raise `downtime_budget`, or make the account smaller: fewer files, databases in WAL mode."},
	{Code: codeWindowTooShort, Title: "the cutover fits into no window", Severity: schema.Blocker, Certainty: inferred, Checks: []string{"C18"},
		Doc: "A cutover begins only while a window stays open for a quarter more than its predicted outage, and ten seconds. " +
			"No opening of the account's windows is that long, not even where windows touch. Nights in which clocks change, and days that are left out, are not counted.",
		Remedy: "Name a longer window for the account, or let two windows touch."},
	{Code: codeWindowNever, Title: "no window opens for a cutover", Severity: schema.Warning, Certainty: observed, Waivable: true, Dated: true,
		Doc: "In the 400 days after the account is ready, none of its windows opens, or not within the working hours in which its phase takes place. " +
			"A night window and a way home within working hours never meet, for example.",
		Remedy: "Look at `dates`, `except` and `days` of the windows that the account names. Where the way home keeps to working hours, let the window bind the way out only: `phases = [\"migrate\"]`."},
	{Code: codeMissed, Title: "a deadline will be missed", Severity: schema.Warning, Certainty: inferred, Waivable: true, Dated: true, Checks: []string{"C56"},
		Doc:    "By the timetable, what has to be done by then takes longer. Time that people take to look, to accept and to ask is not counted, so that it can only be later.",
		Remedy: "Open more or longer windows, let more accounts move at once, or begin earlier."},
	{Code: codeClose, Title: "a deadline will be met with little to spare", Severity: schema.Warning, Certainty: inferred, Waivable: true, Dated: true, Checks: []string{"C56"},
		Doc:    "Less than a day is left, or less than a tenth of the time until then. Time that people take is not counted.",
		Remedy: "Open more or longer windows, or begin earlier."},
	{Code: codeForced, Title: "the hosting company acts by itself before the journey is over", Severity: schema.Warning, Certainty: documented, Source: sourceProcess, Waivable: true, Dated: true, Checks: []string{"C56"},
		Doc: "On `forced_on` the provider starts what was not done until then, and not necessarily on the day itself. Accounts would be moved by somebody else, " +
			"in the middle of a journey whose records then say something different.",
		Remedy: "Begin earlier, or agree with the hosting company on a later day."},
	{Code: codeFinishUnknown, Title: "whether a deadline is met depends on the hand-over", Severity: schema.Info, Certainty: observed, Waivable: true, Dated: true,
		Doc:    "Nobody knows yet when the transit server will be handed over. The timetable counts from that day; the summary says which day is the last.",
		Remedy: "Ask for the transit server in time; write the day that was promised into `handover_on`."},
	{Code: codeFreeOver, Title: "the free days of the transit server end too early", Severity: schema.Warning, Certainty: documented, Source: sourceProcess, Waivable: true, Dated: true, Checks: []string{"C56"},
		Doc:    "The process gives a number of free days from the hand-over. By the timetable what ends the clock happens later, and each day that begins after them costs a day of the source's price.",
		Remedy: "Open more or longer windows, let more accounts move at once, or reckon with the price that the plan states."},
}
