//go:build !linux

package sqlitecompare

import (
	"errors"
	"os"
)

func stampOf(*os.File) (Stamp, error) {
	return Stamp{}, errors.New("databases are compared on Linux only")
}
