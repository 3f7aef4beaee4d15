// Package description holds what a pocket server and its accounts are, as they
// lie in the server's directory:
//
//	DIR/server.json
//	DIR/runtimes/<name>/<version>/…
//	DIR/backups/<escaped name>/…
//	DIR/accounts/<escaped name>/account.json
//	DIR/accounts/<escaped name>/account.id
//	DIR/accounts/<escaped name>/home/certificates/*.pem
//	DIR/accounts/<escaped name>/mail/<domain>/<user>/{cur,new,tmp}
//	DIR/accounts/<escaped name>/databases/*.sqlite
//
// Everything read here may have been written by somebody hostile: unknown
// fields, doubled names and anything that could leave an account's directory
// when used as a path are refused, with all that is wrong named at once.
package description
