package main

// configurations are searched to the end. Together they are the claim that the
// protocol holds; the macros are explained in ownership.pml.
var configurations = []configuration{
	{"cutover", "MENU1=1 KILLS=1 REBOOTS=1 LATE=1"},
	{"late", "MENU1=1 KILLS=1 LATE=2"},
	{"doors", "MENU1=1 KILLS=1 LATE=1 DOORF=1 DEADMAN"},
	{"copies", "MENU1=1 OPS2=1 MENU2=5 PRECOPY"},
	{"copies late", "MENU1=1 PRECOPY LATE=1 KILLS=1"},
	{"two runs", "MENU1=1 OPS2=1 MENU2=5 LATE=1 WRITES=1"},
	{"two runs killed", "MENU1=1 OPS2=1 MENU2=5 KILLS=1 WRITES=1"},
	{"two runs, two operations", "MENU1=1 OPS2=2 MENU2=5 WRITES=1"},
	{"cutover, all faults", "MENU1=1 KILLS=1 REBOOTS=1 LATE=2 WRITES=1"},
	{"two runs, all faults", "MENU1=1 OPS2=1 MENU2=5 KILLS=1 REBOOTS=1 WRITES=1"},
	{"boots", "OPS1=2 KILLS=1 REBOOTS=2"},
	{"there and back", "OPS1=2 LATE=2 WRITES=1"},
	{"three moves", "OPS1=3 LATE=1 WRITES=1"},
	{"three moves killed", "OPS1=3 KILLS=1"},
	{"dropped copies", "OPS1=3 MENU1=67 LATE=1 WRITES=1"},
	{"wipe", "OPS1=5 MENU1=27 WRITES=1"},
	{"wipe late", "OPS1=4 MENU1=11 LATE=1 WRITES=1"},
	{"relocation late", "OPS1=5 MENU1=11 LATE=1 WRITES=1"},
	{"wipe two runs", "OPS1=2 MENU1=11 OPS2=3 MENU2=12 WRITES=1"},
	{"retire", "OPS1=3 MENU1=41 LATE=1 WRITES=1"},
	{"snapshot", "SNAPS=1 LATE=1 MENU1=1 SNAPEND"},
	{"snapshot back", "SNAPS=1 OPS1=2 KILLS=1 WRITES=1"},
	{"slots", "SLOTS=1 LATE=1 MENU1=1"},
	{"slots back", "SLOTS=1 OPS1=2 WRITES=1"},
	{"slots two runs", "SLOTS=1 MENU1=1 OPS2=1 MENU2=1 WRITES=1"},
	{"lost server", "DEATHS=1 RETURNS=1 LATE=1 REBOOTS=1 MENU1=1 SANS_DATA WRITES=1"},
	{"wrong way", "WRONGWAY LATE=1 MENU1=1"},
}

// parts are smaller worlds, with only the faults (and by LATEMASK the late
// messages) that a mutant needs. Each is searched without a mutant too.
var parts = []configuration{
	{"plain", "MENU1=1"},
	{"cycles", "MENU1=1 OPS2=1 MENU2=4 KILLS=1 LATE=1 WRITES=1"},
	{"plain killed", "MENU1=1 KILLS=1"},
	{"plain rebooted", "MENU1=1 REBOOTS=1"},
	{"plain late", "MENU1=1 LATE=1"},
	{"plain copies", "MENU1=1 PRECOPY"},
	{"doors alone", "MENU1=1 DOORF=1"},
	{"doors late", "MENU1=1 DOORF=1 LATE=1"},
	{"dead man", "MENU1=1 DEADMAN"},
	{"killed late", "MENU1=1 KILLS=1 LATE=1"},
	{"rebooted late", "MENU1=1 REBOOTS=1 LATE=1"},
	{"late freeze", "MENU1=1 LATE=1 LATEMASK=4"},
	{"late freezes and commits", "OPS1=2 LATE=2 LATEMASK=20 WRITES=1"},
	{"late prepare", "OPS1=2 LATE=1 LATEMASK=8 WRITES=1"},
	{"late prepare again", "OPS1=3 LATE=1 LATEMASK=8 WRITES=1"},
	{"late commit", "OPS1=2 MENU1=1 LATE=1 LATEMASK=16 WRITES=1"},
	{"late stage", "OPS1=3 LATE=1 LATEMASK=2 WRITES=1"},
	{"late wipe", "OPS1=5 MENU1=27 LATE=1 LATEMASK=256 WRITES=1"},
	{"late prepare, wipe", "OPS1=4 MENU1=11 LATE=1 LATEMASK=8 WRITES=1"},
	{"late seal", "OPS1=5 MENU1=27 LATE=1 LATEMASK=64 WRITES=1"},
	{"wipe only", "OPS1=3 MENU1=9 WRITES=1"},
	{"rival wipe", "OPS1=2 MENU1=3 OPS2=2 MENU2=8 WRITES=1"},
	{"rival", "MENU1=1 OPS2=1 MENU2=5 WRITES=1"},
	{"relocation", "OPS1=5 MENU1=11 WRITES=1"},
	{"snapshot plain", "SNAPS=1 MENU1=1 WRITES=1 SNAPEND"},
	{"snapshot open end", "SNAPS=1 MENU1=1 WRITES=1"},
	{"snapshot late freeze", "SNAPS=1 LATE=1 LATEMASK=4 MENU1=1 WRITES=1"},
	{"snapshot late", "SNAPS=1 LATE=1 MENU1=1 WRITES=1 SNAPEND"},
	{"slots plain", "SLOTS=1 MENU1=1 WRITES=1"},
	{"slots late freeze", "SLOTS=1 LATE=1 LATEMASK=4 MENU1=1 WRITES=1"},
	{"lost plain", "DEATHS=1 RETURNS=1 MENU1=1 SANS_DATA WRITES=1"},
	{"dropped plain", "OPS1=3 MENU1=67 WRITES=1"},
}

// reachable are states that a too strict model would not get to.
var reachable = []struct{ name, config string }{
	{"VOID", "late prepare"},
	{"THIRD", "late stage"},
	{"RELOC", "relocation"},
}

// quickOnes are the cases of -quick.
var quickOnes = []string{
	"cutover", "doors", "snapshot", "slots", "retire", "wrong way",
	"F6", "F8", "F2FROZEN", "F3", "FAST", "NONCE", "F12PREP", "SEALUNM",
}

// heavyOnes are the configurations of many million states.
var heavyOnes = []string{"cutover, all faults", "two runs", "two runs, all faults", "there and back", "wipe late", "relocation late"}
