//go:build linux

package look

// automaton finds many words in a text in one pass, whatever their number
// (Aho and Corasick, 1975). Letters of ASCII match in either case.
type automaton struct {
	class   [256]uint8
	classes int
	next    []uint32   // by state and class: the next state times classes, with isEnd
	ends    [][]uint16 // by state: the words that end there
}

const isEnd = 1 << 31

// newAutomaton takes words in lower case, none of them empty.
func newAutomaton(words []string) *automaton {
	a := &automaton{classes: 1}
	for _, w := range words {
		for i := range len(w) {
			if a.class[w[i]] == 0 && a.classes < 256 {
				a.class[w[i]] = uint8(a.classes)
				a.classes++
			}
		}
	}
	for b := 'A'; b <= 'Z'; b++ {
		a.class[b] = a.class[b+'a'-'A']
	}
	a.state()
	for n, w := range words {
		s := 0
		for i := range len(w) {
			at := s*a.classes + int(a.class[w[i]])
			if a.next[at] == 0 {
				a.next[at] = uint32(a.state())
			}
			s = int(a.next[at])
		}
		a.ends[s] = append(a.ends[s], uint16(n))
	}
	a.close()
	return a
}

func (a *automaton) state() int {
	a.next = append(a.next, make([]uint32, a.classes)...)
	a.ends = append(a.ends, nil)
	return len(a.ends) - 1
}

// close fills in where a state goes on that has no such letter: as the longest
// end of what was read that is the beginning of a word.
func (a *automaton) close() {
	fail := make([]int, len(a.ends))
	var queue []int
	for c := range a.classes {
		if s := int(a.next[c]); s != 0 {
			queue = append(queue, s)
		}
	}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		a.ends[s] = append(a.ends[s], a.ends[fail[s]]...)
		for c := range a.classes {
			at := s*a.classes + c
			other := a.next[fail[s]*a.classes+c]
			if n := int(a.next[at]); n != 0 {
				fail[n] = int(other)
				queue = append(queue, n)
			} else {
				a.next[at] = other
			}
		}
	}
	for i, s := range a.next {
		a.next[i] = s * uint32(a.classes)
		if len(a.ends[s]) > 0 {
			a.next[i] |= isEnd
		}
	}
}

// scan calls f for every word that ends before text[end], in the order of ends.
func (a *automaton) scan(text []byte, f func(word, end int)) {
	s := uint32(0)
	for i, b := range text {
		s = a.next[s&^isEnd+uint32(a.class[b])]
		if s&isEnd != 0 {
			for _, w := range a.ends[(s&^isEnd)/uint32(a.classes)] {
				f(int(w), i+1)
			}
		}
	}
}
