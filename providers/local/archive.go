package local

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/schema"
)

// Archive writes all of an account into one tar file where a wipe does not
// reach, reads it back and compares it with the account, file by file. The
// caller has closed the account. It returns the digest of the tar file.
func (h *Host) Archive(ctx context.Context, account string) (string, error) {
	at, err := description.AccountDir(h.dir, account)
	if err != nil {
		return "", err
	}
	esc, err := schema.EscapeName(account)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(h.dir+archiveExt, accountsDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	to := filepath.Join(dir, esc+".tar")
	part := to + ".part"
	if err := writeTar(ctx, at, part); err != nil {
		return "", errors.Join(fmt.Errorf("archive %s: %w", schema.QuoteName(account), err), os.Remove(part))
	}
	digest, err := verifyTar(ctx, at, part)
	if err != nil {
		return "", fmt.Errorf("archive %s: %w", schema.QuoteName(account), err)
	}
	if err := os.Rename(part, to); err != nil {
		return "", err
	}
	return digest, syncDir(dir)
}

func writeTar(ctx context.Context, at, to string) (err error) {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	root, err := os.OpenRoot(at)
	if err != nil {
		return err
	}
	defer root.Close()
	w := tar.NewWriter(f)
	err = walk(ctx, root, ".", func(p string, _ fs.DirEntry) error { return addToTar(w, root, p) })
	if err != nil {
		return err
	}
	return errors.Join(w.Close(), f.Sync())
}

// walk visits what is below a folder, each folder before what is in it. It is
// not that of package fs, which refuses names that are not UTF-8.
func walk(ctx context.Context, root *os.Root, dir string, visit func(p string, e fs.DirEntry) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	entries, err := d.ReadDir(-1)
	if err = errors.Join(err, d.Close()); err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		p := filepath.Join(dir, e.Name())
		if err := visit(p, e); err != nil {
			return err
		}
		if e.IsDir() {
			if err := walk(ctx, root, p, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

func addToTar(w *tar.Writer, root *os.Root, p string) error {
	info, err := root.Lstat(p)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket != 0 {
		return nil // a program makes it again
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = root.Readlink(p); err != nil {
			return err
		}
	}
	head, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return fmt.Errorf("%s: %w", schema.QuoteName(p), err)
	}
	head.Name, head.Format = p, tar.FormatPAX
	if err := w.WriteHeader(head); err != nil {
		return fmt.Errorf("%s: %w", schema.QuoteName(p), err)
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	f, err := root.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// verifyTar reads an archive back and compares every file with the original.
func verifyTar(ctx context.Context, at, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	root, err := os.OpenRoot(at)
	if err != nil {
		return "", err
	}
	defer root.Close()
	whole := sha256.New()
	archived := map[string]bool{}
	r := tar.NewReader(io.TeeReader(f, whole))
	for {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return "", err
		}
		archived[filepath.Clean(head.Name)] = true
		if head.Typeflag != tar.TypeReg {
			continue
		}
		if err := sameContent(root, head.Name, r); err != nil {
			return "", err
		}
	}
	if _, err := io.Copy(whole, f); err != nil {
		return "", err
	}
	err = walk(ctx, root, ".", func(p string, e fs.DirEntry) error {
		if archived[p] || e.Type()&fs.ModeSocket != 0 {
			return nil
		}
		return fmt.Errorf("%s is not in the archive: something still writes", schema.QuoteName(p))
	})
	if err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(whole.Sum(nil)), nil
}

func sameContent(root *os.Root, name string, archived io.Reader) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	a, b := sha256.New(), sha256.New()
	if _, err := io.Copy(a, f); err != nil {
		return err
	}
	if _, err := io.Copy(b, archived); err != nil {
		return err
	}
	if string(a.Sum(nil)) != string(b.Sum(nil)) {
		return fmt.Errorf("%s differs from the account after it was archived: something still writes", schema.QuoteName(name))
	}
	return nil
}
