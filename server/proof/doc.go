// Package proof holds the tests of what the vault promises where it has to hold: over HTTP, on real files and engines, and in
// the real program, which is killed, cut off, and made to fail. It has nothing to import. The documentation of package
// vault says which promise is held by which test, and what is not promised.
//
// A value is gone from the files within 60 seconds of its end: the vault sweeps every 30, each sweep empties the log, also
// under load, and takes what has expired with it. Somebody else who reads the database all the while, such as a backup,
// puts that off until the sweep after the end of the reading.
//
// A power cut is replayed: strace records what the real program writes, syncs and answers, and each time a sync ends the test
// makes the files as they would be without what was not synced by then, or with any part of it.
//
// Tests named after planted bugs show that these find what they are for. The long versions run with ONETIME_SOAK=1,
// which is what "make soak" sets.
package proof
