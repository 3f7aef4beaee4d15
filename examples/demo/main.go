// Demo shows a whole journey on this machine: accounts with files, mail and
// databases move from one pocket server to another and home again, with
// visitors all the time. It drives the shipped program as a user would, knows
// nothing of its inside, and at the end counts what visitors were promised.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// options are the demo's flags.
type options struct {
	stopover, guestbook, worker string // paths of programs
	dir                         string
	keep                        bool
	scale                       int // accounts are so many times smaller
}

func main() {
	var o options
	flag.StringVar(&o.stopover, "stopover", "bin/stopover", "`path` of the program to drive")
	flag.StringVar(&o.guestbook, "guestbook", "bin/guestbook", "`path` of the guestbook, the accounts' site")
	flag.StringVar(&o.worker, "worker", "bin/worker", "`path` of the worker, a program that accounts run")
	flag.StringVar(&o.dir, "dir", "", "where to work; a new `directory` by default")
	flag.BoolVar(&o.keep, "keep", false, "keep the directory when the demo ends")
	flag.IntVar(&o.scale, "scale", 1, "make the accounts so many `times` smaller")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	t := newTeller(os.Stdout)
	err := run(ctx, o, t)
	switch {
	case err == nil:
		return
	case ctx.Err() != nil:
		t.line("\nInterrupted; everything is stopped and tidied up.")
		os.Exit(130)
	}
	t.failure(err)
	os.Exit(1)
}

func run(ctx context.Context, o options, t *teller) (err error) {
	began := time.Now()
	for _, p := range []*string{&o.stopover, &o.guestbook, &o.worker} {
		if *p, err = filepath.Abs(*p); err != nil {
			return err
		}
		if _, err := os.Stat(*p); err != nil {
			return fmt.Errorf("%w: run \"make demo\", which builds it", err)
		}
	}
	dir, err := workDir(o.dir)
	if err != nil {
		return err
	}
	w := &world{dir: dir, program: o.stopover}
	defer func() { err = errors.Join(err, w.close(o.keep, t)) }()
	t.line("%s", t.bold("Stopover: a journey in five chapters"))
	t.text(`A server has to be reinstalled, and customers live on it. Their accounts
		make a stopover on another server meanwhile, and come home. Everything below
		is real and runs here: two pocket servers, web sites, mail, databases, programs
		and visitors that never stop.`)
	if err := w.make(ctx, o); err != nil {
		return err
	}
	s := &story{w: w, t: t, tool: &tool{program: o.stopover, dir: dir}}
	if err := s.tell(ctx); err != nil {
		return err
	}
	t.line("\n%s in %s. %s", t.green("Everybody is home"), seconds(time.Since(began)),
		"Nothing was lost, nothing is there twice.")
	return nil
}

// workDir is a new directory, or the one that was asked for, which must be
// empty: the demo deletes what is in it at the end.
func workDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "stopover-demo-")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty: choose another -dir", dir)
	}
	return dir, err
}
