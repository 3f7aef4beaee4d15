// Package condition evaluates the conditions that users write themselves:
// checks over what a survey found, policies over a plan. Both look at the
// public JSON form, field for field as --json prints it, so what can be read
// can be asked for.
//
// Three things differ from that JSON, because conditions are written and read
// by people:
//
//   - every field is there: one that the JSON leaves out is empty, 0, false or
//     null here, so a condition need not guard against it;
//   - durations are durations: numbers of seconds where one calculates, "6m30s"
//     in a text (see duration.go);
//   - a time that is not known is null.
//
// Nothing here reads a file, the environment or a clock: a condition gives the
// same answer over the same inventory and plan, from a saved plan too. A
// condition that cannot be evaluated has not passed: it is a blocker, never a
// panic and never silence.
package condition
