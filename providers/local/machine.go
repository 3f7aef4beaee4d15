package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/stopover/stopover/providers"
	"github.com/stopover/stopover/providers/local/description"
	"github.com/stopover/stopover/schema"
)

// order is a wipe that was asked for: it is written beside the directory, so
// that a wipe that is killed in the middle goes on at the next start.
type order struct {
	Machine      string              // the machine that is wiped; another one never is
	New          string              // identity of the machine that comes out of it
	Server       description.Server  // description of the new one, runtimes left out
	Architecture schema.Architecture // what it offers
}

// Reinstall orders the wipe and ends the process; the next start carries it
// out. The service addresses stay with whoever has them now.
func (h *Host) Reinstall(_ context.Context, architecture schema.Architecture) error {
	d := h.description()
	d.Options = map[string]string{}
	for k, v := range h.description().Options {
		d.Options[k] = v
	}
	d.Options[listeningOption] = ""
	if b, err := os.ReadFile(filepath.Join(h.dir, runDir, depotFile)); err == nil {
		d.Options[depotOption] = string(b)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := lacking(d.Options[depotOption], architecture); err != nil {
		return err
	}
	o := order{Machine: h.machine, New: randomID(), Server: *d, Architecture: architecture}
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(h.dir+reinstallExt, b, 0o600, renameio.WithTempDir(filepath.Dir(h.dir))); err != nil {
		return fmt.Errorf("order the reinstallation: %w", err)
	}
	if err := syncDir(filepath.Dir(h.dir)); err != nil {
		return err
	}
	go h.exit()
	return nil
}

// finishReinstall carries out an ordered wipe. It runs before any record is
// read, and again from the beginning if it was interrupted.
func finishReinstall(dir string) error {
	b, err := os.ReadFile(dir + reinstallExt)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var o order
	if err := json.Unmarshal(b, &o); err != nil {
		return fmt.Errorf("read %s: %w: it is not an order that this program wrote; look at it and move it away", dir+reinstallExt, err)
	}
	id, err := machineID(dir)
	if err != nil {
		return err
	}
	if id != o.Machine && id != o.New {
		return fmt.Errorf("%s orders the wipe of machine %s, this is %s: move it away", dir+reinstallExt, o.Machine, id)
	}
	if err := wipe(dir, o.New); err != nil {
		return err
	}
	if err := install(dir, o.New, o.Server, o.Architecture); err != nil {
		return err
	}
	if err := os.Remove(dir + reinstallExt); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// wipe deletes everything but the lock that the caller holds, and backups: no
// hosting company keeps them on the machine that it wipes. The new identity
// comes first: from then on the old records belong to another machine.
func wipe(dir, id string) error {
	if err := renameio.WriteFile(filepath.Join(dir, machineFile), []byte(id+"\n"), 0o600, renameio.WithTempDir(dir)); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == lockFile || e.Name() == machineFile || e.Name() == logFile || e.Name() == description.BackupsDir {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("wipe %s: %w", dir, err)
		}
	}
	return syncDir(dir)
}

// depotOption names the directory that runtimes are installed from, as
// NAME/VERSION/, with the executable called NAME.
const depotOption = "depot"

// depotFile, in runDir, is where the tool writes the depot that a configuration
// names for a server which was described without one.
const depotFile = "depot"

// freshFile marks a machine that was installed by Stopover: an account without
// a record is unknown there, never active.
const freshFile = "fresh"

// install makes a server of an architecture in an empty directory.
func install(dir, id string, d description.Server, arch schema.Architecture) error {
	for _, sub := range []string{accountsDir, runtimesDir, recordsDir, runDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o711); err != nil {
			return err
		}
	}
	if err := renameio.WriteFile(filepath.Join(dir, machineFile), []byte(id+"\n"), 0o600, renameio.WithTempDir(dir)); err != nil {
		return err
	}
	if err := renameio.WriteFile(filepath.Join(dir, freshFile), nil, 0o600, renameio.WithTempDir(dir)); err != nil {
		return err
	}
	d.Architecture, d.Runtimes, d.RemovedRuntimes, d.Engines = arch.Name, nil, nil, nil
	for _, r := range arch.Runtimes {
		for _, v := range r.Versions {
			from := filepath.Join(d.Options[depotOption], r.Name, v)
			to := filepath.Join(dir, runtimesDir, r.Name, v)
			if err := os.RemoveAll(to); err != nil {
				return err
			}
			if err := os.CopyFS(to, os.DirFS(from)); err != nil {
				return fmt.Errorf("install runtime %s %s from the depot: %w", r.Name, v, err)
			}
			if err := os.Chmod(filepath.Join(to, r.Name), 0o755); err != nil {
				return fmt.Errorf("install runtime %s %s: %w", r.Name, v, err)
			}
			d.Runtimes = append(d.Runtimes, description.Runtime{Name: r.Name, Version: v, Path: r.Name})
		}
	}
	for _, e := range arch.Engines {
		d.Engines = append(d.Engines, description.Engine{Name: e.Name, Version: e.Version})
	}
	return description.WriteServer(dir, &d)
}

// lacking says what of an architecture the depot does not have, before
// anything is wiped for it.
func lacking(depot string, arch schema.Architecture) error {
	if arch.Name == "" { // nothing could be installed, and the machine would be wiped by then
		return fmt.Errorf("%w: there is no architecture to install; name one in the migration", providers.ErrRefused)
	}
	for _, r := range arch.Runtimes {
		for _, v := range r.Versions {
			if depot == "" {
				return fmt.Errorf("%w: architecture %s offers %s %s and the server has no option %q to install it from", providers.ErrRefused, arch.Name, r.Name, v, depotOption)
			}
			if _, err := os.Stat(filepath.Join(depot, r.Name, v, r.Name)); err != nil {
				return fmt.Errorf("%w: the depot lacks runtime %s %s of architecture %s: %w", providers.ErrRefused, r.Name, v, arch.Name, err)
			}
		}
	}
	return nil
}

// Runtime removes a runtime, or puts a removed one back.
func (h *Host) Runtime(r schema.Runtime, restore bool) error {
	is := func(x description.Runtime) bool { return x.Name == r.Name && x.Version == r.Version }
	if d := h.description(); !slices.ContainsFunc(d.Runtimes, is) && !slices.ContainsFunc(d.RemovedRuntimes, is) {
		return fmt.Errorf("%w: runtime %s %s is neither installed here nor was it removed", providers.ErrRefused, schema.QuoteName(r.Name), schema.QuoteName(r.Version))
	}
	for _, element := range []string{r.Name, r.Version} {
		if !filepath.IsLocal(element) || filepath.Base(element) != element {
			return fmt.Errorf("%w: %s cannot be part of a runtime's name", providers.ErrRefused, schema.QuoteName(element))
		}
	}
	from, to := runtimesDir, removedDir
	if restore {
		from, to = to, from
	}
	src, dst := filepath.Join(h.dir, from, r.Name, r.Version), filepath.Join(h.dir, to, r.Name, r.Version)
	if _, err := os.Lstat(dst); err != nil { // not done before
		if err := os.MkdirAll(filepath.Dir(dst), 0o711); err != nil {
			return err
		}
		if err := os.Rename(src, dst); err != nil {
			return fmt.Errorf("runtime %s %s: %w", schema.QuoteName(r.Name), schema.QuoteName(r.Version), err)
		}
		if err := errors.Join(syncDir(filepath.Dir(dst)), syncDir(filepath.Dir(src))); err != nil {
			return err
		}
	}
	return h.change(func(d *description.Server) {
		a, b := &d.Runtimes, &d.RemovedRuntimes
		if restore {
			a, b = b, a
		}
		if i := slices.IndexFunc(*a, is); i >= 0 {
			if !slices.ContainsFunc(*b, is) {
				*b = append(*b, (*a)[i])
			}
			*a = slices.DeleteFunc(*a, is)
		}
	})
}

// own are the entries of the directory that belong to the server itself.
func ownEntry(name string) bool {
	own := []string{serverFile, machineFile, accountsDir, runtimesDir, removedDir, recordsDir,
		factsFile, runDir, lockFile, logFile, freshFile, spoolDir, trialsDir, description.BackupsDir}
	if slices.Contains(own, name) {
		return true
	}
	// What a crash left of a file that was being replaced: "." + name + digits.
	for _, o := range own {
		if rest, ok := strings.CutPrefix(name, "."+o); ok && strings.Trim(rest, "0123456789") == "" && rest != "" {
			return true
		}
	}
	return false
}

const spoolDir = "spool"

// Residue lists what no account and not the server itself owns.
func (h *Host) Residue() ([]schema.Residue, error) {
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		return nil, err
	}
	var out []schema.Residue
	for _, e := range entries {
		if !ownEntry(e.Name()) {
			if err := h.residueBelow(e.Name(), &out); err != nil {
				return nil, err
			}
		}
	}
	_, strays, err := description.Accounts(h.dir)
	if err != nil {
		return nil, err
	}
	for _, s := range strays {
		if err := h.residueBelow(filepath.Join(accountsDir, s), &out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (h *Host) residueBelow(top string, out *[]schema.Residue) error {
	return filepath.WalkDir(filepath.Join(h.dir, top), func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(h.dir, p)
		if err != nil {
			return err
		}
		r := schema.Residue{Path: "/" + rel, Kind: "file"}
		if e.IsDir() {
			below, err := os.ReadDir(p)
			if err != nil || len(below) > 0 {
				return err
			}
			r.Kind = "directory"
		} else if info, err := e.Info(); err == nil {
			r.Bytes = info.Size()
		}
		*out = append(*out, r)
		return nil
	})
}

// residuePath checks that a path is one that Residue would list if something
// were there: what belongs to the server or to an account is never residue.
func (h *Host) residuePath(path string) (string, error) {
	rel := strings.TrimPrefix(path, "/")
	if !filepath.IsLocal(rel) || rel == "." || rel != filepath.Clean(rel) {
		return "", fmt.Errorf("%w: %s is not a path below the server's directory", providers.ErrRefused, schema.QuoteName(path))
	}
	top, below, _ := strings.Cut(rel, "/")
	owned := ownEntry(top) || strings.HasPrefix(top, ".")
	if top == accountsDir && below != "" {
		entry, _, _ := strings.Cut(below, "/")
		_, strays, err := description.Accounts(h.dir)
		if err != nil {
			return "", err
		}
		_, err = schema.UnescapeName(entry)
		owned = err == nil && !slices.Contains(strays, entry)
	}
	if owned {
		return "", fmt.Errorf("%w: %s belongs to the server or to an account", providers.ErrRefused, schema.QuoteName(path))
	}
	return rel, nil
}

// DisposeResidue carries out the disposition of one unowned thing: carry and
// archive keep it where a wipe does not reach, discard deletes it.
func (h *Host) DisposeResidue(path, action string) (string, error) {
	if !slices.Contains([]string{"carry", "archive", "discard"}, action) {
		return "", fmt.Errorf("%w: residue is carried, archived or discarded, %q is none of these", providers.ErrRefused, action)
	}
	rel, err := h.residuePath(path)
	if err != nil {
		return "", err
	}
	root, err := os.OpenRoot(h.dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	ref := filepath.Join(h.dir+archiveExt, "residue", rel)
	info, err := root.Lstat(rel)
	if errors.Is(err, fs.ErrNotExist) { // done before
		if action == "discard" {
			return "", nil
		}
		_, err = os.Lstat(ref)
		return ref, err
	}
	if err != nil {
		return "", err
	}
	now, err := h.Residue()
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(now, func(r schema.Residue) bool { return r.Path == "/"+rel }) {
		return "", fmt.Errorf("%w: %s is not residue now: an account or the server owns it", providers.ErrRefused, schema.QuoteName(path))
	}
	if action != "discard" {
		if err := keep(root, rel, ref, info); err != nil {
			return "", fmt.Errorf("%s %s: %w", action, schema.QuoteName(path), err)
		}
	}
	if err := root.Remove(rel); err != nil {
		return "", err
	}
	// A directory that held nothing else is residue no more than its content.
	for up := filepath.Dir(rel); up != "." && !ownEntry(up); up = filepath.Dir(up) {
		if root.Remove(up) != nil {
			break // not empty
		}
	}
	if action == "discard" {
		ref = ""
	}
	return ref, nil
}

// keep copies one thing out of the root and makes it durable.
func keep(root *os.Root, rel, ref string, info fs.FileInfo) error {
	if err := os.MkdirAll(filepath.Dir(ref), 0o700); err != nil {
		return err
	}
	switch {
	case info.IsDir():
		err := os.Mkdir(ref, info.Mode().Perm())
		if errors.Is(err, fs.ErrExist) {
			err = nil
		}
		return errors.Join(err, syncDir(filepath.Dir(ref)))
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := root.Readlink(rel)
		if err != nil {
			return err
		}
		return errors.Join(renameio.Symlink(target, ref), syncDir(filepath.Dir(ref)))
	case !info.Mode().IsRegular():
		return fmt.Errorf("it is neither a file nor a directory nor a link: choose action \"discard\"")
	}
	from, err := root.Open(rel)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := renameio.NewPendingFile(ref, renameio.WithPermissions(info.Mode().Perm()), renameio.WithTempDir(filepath.Dir(ref)))
	if err != nil {
		return err
	}
	defer to.Cleanup()
	if _, err := io.Copy(to, from); err != nil {
		return err
	}
	return errors.Join(to.CloseAtomicallyReplace(), syncDir(filepath.Dir(ref)))
}

// PlaceResidue puts a carried thing on the new machine.
func (h *Host) PlaceResidue(path, ref string) error {
	rel, err := h.residuePath(path)
	if err != nil {
		return err
	}
	kept, err := filepath.Rel(filepath.Join(h.dir+archiveExt, "residue"), ref)
	if err != nil || kept != rel {
		return fmt.Errorf("%w: %s was not kept for %s", providers.ErrRefused, schema.QuoteName(ref), schema.QuoteName(path))
	}
	from, err := os.OpenRoot(filepath.Join(h.dir+archiveExt, "residue"))
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Lstat(rel)
	if err != nil {
		return err
	}
	to := filepath.Join(h.dir, rel)
	if have, err := os.Lstat(to); err == nil {
		if have.Mode() == info.Mode() && have.Size() == info.Size() {
			return nil // done before
		}
		return fmt.Errorf("%w: something else is at %s on the new machine: put the carried one, %s, back by hand",
			providers.ErrRefused, schema.QuoteName(path), schema.QuoteName(ref))
	}
	return keep(from, rel, to, info)
}
