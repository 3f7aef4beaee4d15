// Package hclfile reads what a user wants from *.stopover.hcl files. The
// language is declared once, in tables of blocks and attributes (language.go):
// the decoder, the reference and the JSON schema derive from them.
//
// Decoding goes in stages, so that each mistake is reported once and where it
// was made: syntax of all files; the required version; the shape of each block
// against its table; values and references; what must hold between blocks. A
// stage goes on after a mistake, but says nothing that merely follows from one.
//
// It reads the configuration and nothing else: no server, no secret's value.
package hclfile
