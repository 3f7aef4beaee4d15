// Package schema says what things are: what a user wants (Config), what was
// found on the servers (Inventory), what must be remembered (Fact), and what is
// wrong (Diagnostic, Finding). It holds nouns and no verbs, reads no file and
// opens no connection, and imports the standard library only.
package schema
