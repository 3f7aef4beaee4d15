package setup

import (
	"strings"
	"testing"

	"github.com/stopover/stopover/schema"
)

// TestOpenHTTP: the password is a reference, and is looked up only here.
func TestOpenHTTP(t *testing.T) {
	store := schema.StateStore{Kind: "http", Options: map[string]string{
		"address": "https://state.example.org/spring", "password": "env:STOPOVER_TEST_TOKEN", "retry_max": "0", "retry_wait_min": "2s",
	}}
	t.Setenv("STOPOVER_TEST_TOKEN", "")
	if _, err := openHTTP(store); err == nil || !strings.Contains(err.Error(), "STOPOVER_TEST_TOKEN") {
		t.Errorf("without the variable: %v", err)
	}
	t.Setenv("STOPOVER_TEST_TOKEN", "hunter2")
	s, err := openHTTP(store)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	store.Options["address"] = "ftp://state.example.org"
	if _, err := openHTTP(store); err == nil {
		t.Error("an address that is none is opened")
	}
}
