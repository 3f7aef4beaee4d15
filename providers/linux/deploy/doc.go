// Package deploy puts stopover-agent on a server, once per version, and runs it
// over the streams of an SSH connection.
//
// The agent is one static file in a directory that only root can enter. Its
// name carries the digest of its bytes, which is checked before it is used and
// after it was sent; it opens no port, and it ends when its connection does.
// Nothing else on a server is changed here.
package deploy
