package agent

import (
	"fmt"
)

// Parts of an account.
const (
	PartFiles     = "files"
	PartMail      = "mail"
	PartDatabases = "databases"
)

// Bounds of what a receiver tells an origin about its copy.
const (
	maxListing  = 20 << 20 // entries
	maxManifest = 64 << 20 // bytes
)

func (p Place) directory(part string) (string, error) {
	switch part {
	case PartFiles:
		return p.Files, nil
	case PartMail:
		return p.Mail, nil
	}
	return "", fmt.Errorf("an account has no part %q that is a directory", part)
}
