package ownership

// SlotSize is the size of each of the two slots of an account's record, and
// ServerSlotSize that of the server's own, which holds the epochs of a seal.
const (
	SlotSize       = 8 << 10
	ServerSlotSize = 1 << 20
)

// Disk keeps small named blobs, each as two slots of fixed size. FileDisk is
// the real one. The keeper never has two calls under way at once.
type Disk interface {
	// Allocate makes a blob of two slots of size bytes and fills both with data
	// (shorter than size). All its space is reserved for good. After a crash
	// the blob is there whole or not at all. The error is fs.ErrExist if there is
	// one already; what cannot be one is replaced.
	Allocate(name string, size int, data []byte) error
	// Read returns the content of slot 0 or 1. What follows the data that was
	// written there is unspecified. An error means that this slot is lost.
	Read(name string, slot int) ([]byte, error)
	// Write overwrites the beginning of a slot in place and returns once it is
	// on stable storage. It needs no new space. After an error or a crash the
	// slot may hold the old bytes, the new ones, or a mixture.
	Write(name string, slot int, data []byte) error
	// List returns the names of all blobs.
	List() ([]string, error)
}
