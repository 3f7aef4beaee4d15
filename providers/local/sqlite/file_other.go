//go:build !linux

package sqlite

import (
	"errors"
	"os"
)

// Agents run on Linux; elsewhere the package only has to compile and to say so.
var errLinux = errors.New("databases are moved on Linux only")

func openDirBeneath(string, string) (*os.File, error) { return nil, errLinux }

func openRegular(*os.File, string, int, os.FileMode) (*os.File, error) { return nil, errLinux }

func stampAt(*os.File, string) (Stamp, error) { return Stamp{}, errLinux }

func stampOf(*os.File) (Stamp, error) { return Stamp{}, errLinux }

func removeAt(*os.File, string) error { return errLinux }

func dirPath(d *os.File) string { return d.Name() }

func dirName(d *os.File) string { return d.Name() }

func (p *place) setTime(string, int64) error { return errLinux }
