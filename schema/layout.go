package schema

// Layout says where things are on a server and how they belong to an account.
// It is data: built-in ones are HCL that a user can print, copy and change.
//
// In paths, {account} stands for the name of an account, {home} for its home
// directory, {domain} and {user} for the parts of a mail address; globs are
// those of path/filepath. A path with none of the four belongs to the server.
type Layout struct {
	Name string `json:"name"`
	Doc  string `json:"doc,omitempty"`

	// An account is a user of the machine with a uid in the range whose home
	// matches one of the globs and whose name matches none of Exclude.
	Homes   []string `json:"homes"`
	MinUID  int      `json:"min_uid"`
	MaxUID  int      `json:"max_uid"`
	Exclude []string `json:"exclude,omitempty"` // globs of names

	// Mail are Maildirs: "{home}/Maildir" of the account's own user,
	// "{home}/mail/{domain}/{user}" or "/var/vmail/{domain}/{user}" of virtual ones.
	Mail []string `json:"mail"`
	// MailUsers are passwd-files of virtual users (user@domain:hash:uid:gid::home).
	MailUsers []string `json:"mail_users,omitempty"`
	// MailLogs are read for clients without encryption.
	MailLogs []string `json:"mail_logs,omitempty"`
	// MailQueue is where the mail server keeps what it has not delivered.
	MailQueue []string `json:"mail_queue,omitempty"`

	Nginx        []string `json:"nginx"`  // files with server blocks
	Apache       []string `json:"apache"` // files with virtual hosts
	Pools        []string `json:"pools"`  // PHP-FPM
	Certificates []string `json:"certificates"`
	// Renewals are the settings of who renews certificates: certbot's and the like.
	Renewals []string `json:"renewals,omitempty"`

	Crontabs []string `json:"crontabs"` // "/var/spool/cron/crontabs/{account}", and /etc/cron.d with a column for the user
	Units    []string `json:"units"`    // of systemd
	Keys     []string `json:"keys"`     // authorized_keys
	FTPUsers []string `json:"ftp_users,omitempty"`
	Backups  []string `json:"backups,omitempty"` // newest of them is the account's backup

	// Databases and DatabaseUsers are globs of the names that belong to an
	// account; the longest account name that fits wins. What fits nobody belongs
	// to the account whose user alone has rights on it.
	Databases     []string `json:"databases"`
	DatabaseUsers []string `json:"database_users"`
	MariaDB       []string `json:"mariadb"`    // sockets, first that is there
	PostgreSQL    []string `json:"postgresql"` // socket directories
	PostgresUser  string   `json:"postgres_user,omitempty"`

	// Settings are files of the server's own configuration that two servers are
	// compared by.
	Settings []string `json:"settings,omitempty"`
	// Residue are the places where things lie that no package put there: what
	// is found in them and belongs to no account is residue.
	Residue []string `json:"residue,omitempty"`
	Ignore  []string `json:"ignore,omitempty"` // globs of paths that are no residue
	Pos     Pos      `json:"-"`
}
