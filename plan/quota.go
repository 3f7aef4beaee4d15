package plan

import "fmt"

// nearlyFull is from how many hundredths of a quota on it counts as full.
const nearlyFull = 95

// manyFiles is from how many entries on they lengthen a cut so that it is worth
// saying; perFile is by how much each, as docs/performance.md has it.
const (
	manyFiles = 100_000
	perFile   = 16 // microseconds
)

// checkQuota looks for accounts that can hardly write any more.
func (b *builder) checkQuota(a *account) {
	if !b.leaves(a) || a.live.Quota <= 0 {
		return
	}
	used := a.live.Files.Bytes + a.live.Mail.Bytes
	if used/nearlyFull < a.live.Quota/100 { // no product, which could overflow
		return
	}
	percent := "100"
	if used < a.live.Quota {
		percent = fmt.Sprint(int(float64(used) / float64(a.live.Quota) * 100))
	}
	b.report(codeQuotaFull, a.name, "", "", "files and mail take "+size(used)+" of a quota of "+size(a.live.Quota)+", "+percent+" %")
}

// checkFiles says by how much the number of files lengthens the cut.
func (b *builder) checkFiles(a *account) {
	if !b.leaves(a) {
		return
	}
	n := a.live.Files.Entries + a.live.Mail.Messages
	if n < manyFiles {
		return
	}
	b.report(codeManyFiles, a.name, "", "", fmt.Sprintf("%d files and messages are looked at within the cut, which takes about %.1f s", n, float64(n)*perFile/1e6))
}

// checkQuotas compares what the accounts may become with the target's disk.
func (b *builder) checkQuotas() {
	from, to := sideSource, b.t
	if b.reinstalled {
		from, to = sideTransit, b.s
	}
	if !to.present || to.found.TotalBytes <= 0 {
		return
	}
	var sum int64
	n := 0
	for _, a := range b.accounts {
		if a.live == nil || a.live.Quota <= 0 || a.found != from && to.index[a.name] != a.live {
			continue
		}
		n++
		if sum += a.live.Quota; sum < 0 {
			sum = 1<<63 - 1
			break
		}
	}
	if sum > to.found.TotalBytes {
		b.report(codeQuotaSum, "", to.name, "", fmt.Sprintf("the quotas of %s are %s together, the disk of %s has %s",
			count(n, "account"), size(sum), to.name, size(to.found.TotalBytes)))
	}
}
