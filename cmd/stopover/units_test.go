package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// units checks the files of examples/systemd-timer: the command line is one that
// the program takes, waiting is no failure, and systemd finds nothing wrong.
func units(t *testing.T, w *walk) {
	service, timer := unit(t, w, "stopover.service"), unit(t, w, "stopover.timer")
	words := strings.Fields(service["ExecStart"])
	if len(words) < 2 || filepath.Base(words[0]) != "stopover" {
		t.Fatalf("ExecStart=%s", service["ExecStart"])
	}
	for i, word := range words {
		if word == service["WorkingDirectory"] {
			words[i] = "."
		}
	}
	for _, more := range [][]string{{"--help"}, nil} {
		c := exec.Command("stopover", append(words[1:], more...)...)
		c.Path, c.Err = filepath.Join(w.bin, "stopover"), nil
		c.Dir, c.Env = w.dir, w.env
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", c.Args, err, out)
		}
	}
	for _, status := range []string{"3", "5"} {
		if !slices.Contains(strings.Fields(service["SuccessExitStatus"]), status) {
			t.Errorf("exit status %s is a failure", status)
		}
	}
	if slices.Contains(words, "--wait") || timer["Unit"] != "stopover.service" || timer["OnUnitInactiveSec"] == "" {
		t.Errorf("the timer does not start %v again: %v", words, timer)
	}
	verify(t, w)
}

// verify has systemd look at the units, where there is one.
func verify(t *testing.T, w *walk) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("there is no systemd-analyze here")
		return
	}
	b, err := os.ReadFile(filepath.Join(w.dir, "stopover.service"))
	if err != nil {
		t.Fatal(err)
	}
	// It wants to see the program; on this machine it is elsewhere.
	text := strings.Replace(string(b), "/usr/local/bin/stopover", filepath.Join(w.bin, "stopover"), 1)
	dir := t.TempDir()
	timer, err := os.ReadFile(filepath.Join(w.dir, "stopover.timer"))
	err = errors.Join(err, os.WriteFile(filepath.Join(dir, "stopover.service"), []byte(text), 0o644),
		os.WriteFile(filepath.Join(dir, "stopover.timer"), timer, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(analyze, "verify", "--man=no", "--recursive-errors=no", filepath.Join(dir, "stopover.service"), filepath.Join(dir, "stopover.timer"))
	if out, err := c.CombinedOutput(); err != nil || strings.Contains(string(out), "stopover.") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// unit reads the settings of a unit; the last of a name counts.
func unit(t *testing.T, w *walk, name string) map[string]string {
	b, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			out[key] = value
		}
	}
	return out
}
