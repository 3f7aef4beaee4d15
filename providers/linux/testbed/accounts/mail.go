package accounts

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mailbox makes a Maildir with messages as Dovecot keeps them, some of them in
// a folder, with the list of their UIDs.
func (m *maker) mailbox(a *Account, address, p string, messages int) error {
	box := &Mailbox{Path: p, UIDValidity: 1_700_000_000}
	root := m.path(p)
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return err
	}
	folders := []string{"", ".Archive"}
	for _, f := range folders {
		for _, d := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(root, f, d), 0o700); err != nil {
				return err
			}
		}
	}
	lists := map[string]*strings.Builder{}
	count := map[string]int{}
	for _, f := range folders {
		lists[f] = &strings.Builder{}
	}
	for i := range messages {
		f, dir, flags := "", "cur", ":2,S"
		switch {
		case i%10 == 9:
			f = ".Archive"
		case i%10 == 8:
			dir, flags = "new", ""
		}
		body := fmt.Sprintf("From: a%d@example.com\r\nTo: %s\r\nSubject: message %d\r\nMessage-ID: <%d@example.com>\r\n\r\n%s\r\n", i, address, i, i, strings.Repeat("line of text\r\n", i%40))
		name := fmt.Sprintf("%d.M%dP1.%s", 1_700_000_000+i, i, m.o.Name)
		if err := os.WriteFile(filepath.Join(root, f, dir, name+flags), []byte(body), 0o600); err != nil {
			return err
		}
		count[f]++
		fmt.Fprintf(lists[f], "%d :%s\n", count[f], name)
		box.Messages++
		box.Bytes += int64(len(body))
		box.Whole += int64(len(body))
	}
	for _, f := range folders {
		head := fmt.Sprintf("3 V%d N%d G%032x\n", box.UIDValidity, count[f]+1, len(f)+messages)
		if err := os.WriteFile(filepath.Join(root, f, "dovecot-uidlist"), []byte(head+lists[f].String()), 0o600); err != nil {
			return err
		}
		box.Whole += int64(len(head) + lists[f].Len())
	}
	if err := os.WriteFile(filepath.Join(root, ".Archive", "maildirfolder"), nil, 0o600); err != nil {
		return err
	}
	a.Mailboxes[address] = box
	return filepath.WalkDir(root, func(q string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(q, a.UID, a.UID)
	})
}

// count adds to an account what a program has made below a directory, asked of
// find.
func (m *maker) count(ctx context.Context, a *Account, dir string) error {
	out, err := m.h.Run(ctx, "find", dir, "-printf", `%y %s\n`)
	if err != nil {
		return err
	}
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		kind, size, _ := strings.Cut(line, " ")
		n, err := strconv.ParseInt(size, 10, 64)
		if err != nil {
			return fmt.Errorf("find printed %q: %w", line, err)
		}
		a.Entries++
		if kind == "f" {
			a.Bytes += n
		}
	}
	return nil
}
