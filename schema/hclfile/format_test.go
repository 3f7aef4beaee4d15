package hclfile

import (
	"bytes"
	"testing"
)

func TestFormat(t *testing.T) {
	src := []byte("server \"client\" {\naddress=\"client\" # here\n  serves    =    [ \"127.0.0.2\" ]\n}\n")
	want := "server \"client\" {\n  address = \"client\" # here\n  serves  = [\"127.0.0.2\"]\n}\n"
	got, diags := Format("main.stopover.hcl", src)
	if len(diags) != 0 || string(got) != want {
		t.Errorf("Format gives %q, %v; want %q", got, diags, want)
	}
	again, _ := Format("main.stopover.hcl", got)
	if !bytes.Equal(again, got) {
		t.Errorf("formatting again changes it: %q", again)
	}
}

// What cannot be read is not touched.
func TestFormatRefuses(t *testing.T) {
	for _, src := range []string{"server \"client\" {\n address=1\n", "a = \xff\n", "a = = 1\n"} {
		got, diags := Format("bad.stopover.hcl", []byte(src))
		if !diags.HasErrors() || diags[0].Pos.File != "bad.stopover.hcl" || string(got) != src {
			t.Errorf("Format(%q) gives %q, %v", src, got, diags)
		}
	}
}
