package plan

// Ops returns every op, in the order of the journey. Package apply has one
// performer for each; a test there ranges over them.
func Ops() []Op {
	return []Op{
		OpTrial, OpBaseline,
		OpRemoveRuntime, OpProbeReady, OpRestoreRuntime,
		OpProvision, OpHandover, OpPair, OpPrecopy,
		OpWarm, OpFreeze, OpFinalSync, OpCompare, OpPrepareCopy, OpSwitch, OpThaw, OpConfirm,
		OpProbe,
		OpArchive, OpRetire, OpResidue, OpSeal, OpReroute, OpReinstall, OpStub, OpReturnAddresses, OpCarryBack,
		OpRelease, OpFinish,
		OpGate,
	}
}

// Actors of a step. Whoever acts outside of the tool completes a gate.
const (
	ActorStopover = "stopover"
	ActorCustomer = "customer"
	ActorSupport  = "support"
	ActorOperator = "operator"
)

// Parts of an account that are copied each on their own.
const (
	PartFiles     = "files"
	PartMail      = "mail"
	PartDatabases = "databases"
)

// Methods of a switch: the usual one, and what is left of one whose commit is
// already on the origin's disk.
const (
	MethodCommit = "commit"
	MethodFinish = "finish"
)

// Stages of an account.
const (
	StageAtSource  = "at_source"
	StagePrepared  = "prepared"
	StageOnTransit = "on_transit"
	StageAccepted  = "accepted"
	StageHome      = "home"
	StageStays     = "stays"
	StageBlocked   = "blocked"
	StageInCutover = "in_cutover"
	StageUnknown   = "unknown"
)

// States of a phase.
const (
	PhaseDone    = "done"
	PhaseCurrent = "current"
	PhaseAhead   = "ahead"
	PhaseAbsent  = "absent"
)
