package providertest

import "testing"

// Run holds a kind of server to everything that callers rely on.
func Run(t *testing.T, h Harness) {
	for _, c := range []struct {
		name string
		f    func(*testing.T, Harness)
	}{
		{"abilities", testAbilities},
		{"survey", testSurvey},
		{"claims", testClaims},
		{"superseded", testSuperseded},
		{"claim drains", testClaimDrains},
		{"journey, every call twice", testJourney},
		{"names", testNames},
		{"refusals", testRefusals},
		{"lease lapses", testLease},
		{"origin dies frozen", testOriginDies},
		{"receiver dies prepared", testReceiverDies},
		{"commit's answer is lost", testCommitLost},
		{"reboot asks the peer", testReboot},
		{"cancelled pull", testCancelledPull},
		{"cut stream", testCutStream},
		{"difference is found and repaired", testRepair},
		{"seal", testSeal},
		{"reinstall and home", testHome},
		{"facts", testFacts},
		{"release", testRelease},
		{"runtimes", testRuntimes},
		{"residue", testResidue},
		{"archive and retire", testRetire},
		{"declare lost", testDeclareLost},
		{"trial", testTrial},
		{"trial that is killed", testTrialKilled},
		{"trial on a full disk", testTrialFull},
		{"trial beside a cutover", testTrialCutover},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.f(t, h)
		})
	}
}
