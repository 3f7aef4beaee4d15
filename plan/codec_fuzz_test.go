package plan

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzDecodeSealed changes plans as somebody would who knows the format: the
// digest is made again, so that what comes after it is reached. Whatever is
// taken for a plan can be written, and read again as the same. The seeds are
// the golden cases.
func FuzzDecodeSealed(f *testing.F) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		f.Fatal("no cases", err)
	}
	for _, path := range cases {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		// The cases are good ones: TestGolden runs them.
		p, err := Compute(caseInput(new(testing.T), archive))
		if err != nil {
			f.Fatal(err)
		}
		b, err := Encode(p)
		if err != nil {
			f.Fatal(err)
		}
		body, _, _ := split(b)
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if bytes.Contains(body, []byte(`"dates"`)) {
			return // is no body: dates come behind it
		}
		data := append(appendTail(bytes.Clone(body), &Plan{}, digestOf(body)), '\n')
		p, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Encode(p)
		if err != nil {
			t.Fatalf("read, and cannot be written: %v", err)
		}
		q, err := Decode(again)
		if err != nil {
			t.Fatalf("written, and cannot be read: %v\n%s", err, again)
		}
		if third, err := Encode(q); err != nil || !bytes.Equal(third, again) {
			t.Errorf("written twice, differently: %v", err)
		}
	})
}
