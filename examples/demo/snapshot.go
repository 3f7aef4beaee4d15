package main

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// snapshot is what an account held before the journey and nobody writes to
// meanwhile: it has to be there afterwards, to the byte.
type snapshot map[string]string

// takeSnapshot reads an account's site, its old mail by message and the
// pictures in its database.
func takeSnapshot(dir string) (snapshot, error) {
	s := snapshot{}
	err := filepath.WalkDir(filepath.Join(dir, "home", "www"), func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		s[rel], err = describe(p, info)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, errors.Join(s.mail(dir), s.pictures(filepath.Join(dir, "databases", "guestbook.sqlite")))
}

func describe(p string, info fs.FileInfo) (string, error) {
	d := info.Mode().String()
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		to, err := os.Readlink(p)
		return d + " → " + to, err
	case info.IsDir():
		return d, nil
	}
	b, err := os.ReadFile(p)
	sum := sha256.Sum256(b)
	return fmt.Sprintf("%s %s %s", d, info.ModTime().UTC(), hex.EncodeToString(sum[:])), err
}

// mail takes messages by what they say, for programs rename them to flag them.
func (s snapshot) mail(dir string) error {
	return filepath.WalkDir(filepath.Join(dir, "mail"), func(p string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() || !strings.Contains(e.Name(), ".old") {
			return err
		}
		b, err := os.ReadFile(p)
		base, _, _ := strings.Cut(e.Name(), ":2,")
		sum := sha256.Sum256(b)
		s["message "+base] += hex.EncodeToString(sum[:]) // twice there is not the same as once
		return err
	})
}

func (s snapshot) pictures(path string) error {
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path}).String())
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.Query(`SELECT id, picture FROM pictures`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int
		var b []byte
		if err := rows.Scan(&id, &b); err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		s[fmt.Sprintf("picture %d", id)] = hex.EncodeToString(sum[:])
	}
	return rows.Err()
}

// differences says what is not as it was.
func (s snapshot) differences(now snapshot) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(s)) {
		switch is, ok := now[k]; {
		case !ok:
			out = append(out, fmt.Sprintf("%q is gone", k))
		case is != s[k]:
			out = append(out, fmt.Sprintf("%q was %s and is %s", k, s[k], is))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(now)) {
		if _, ok := s[k]; !ok {
			out = append(out, fmt.Sprintf("%q was not there before", k))
		}
	}
	return out
}
