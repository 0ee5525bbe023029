// Package proof holds the tests of what the vault promises where it has to hold: over HTTP, on files, and in the real
// program that is killed. It has nothing to import.
//
//	promise                                           test
//	of all callers at once one gets the secret        TestOneLink, TestManyLinks
//	doing one thing after another explains answers    storetest.RunHistories, for each store
//	what was acknowledged outlasts kill -9            TestKill
//	a first start may be killed at any moment         TestKillFirstStart
//	SIGTERM answers what is under way                 TestTerminate
//	what is gone leaves no bytes of its value         TestErasure, TestErasureBesideReader, TestErasureUnderLoad,
//	                                                  sqlitestore: TestOneChunkToAPage
//	files hold no value, passphrase, key or token     TestNoMarkerInFiles
//	an answer that is not in order consumes nothing   TestBrokenAnswers
//	an altered database gives no wrong value          TestAlteredDatabase
//	a disk that fails gives nothing away, and heals   TestDiskFull, TestReadOnly
//
// A value is gone from the files within 60 seconds of its end: the vault sweeps every 30, each sweep empties the log, also
// under load, and takes what has expired with it. Somebody else who reads the database all the while, such as a backup,
// puts that off until the sweep after the end of the reading.
//
// Tests named after planted bugs show that these find what they are for. The long versions run with ONETIME_SOAK=1,
// which is what "make soak" sets.
//
// Not promised, and not tested: that the file system, the disk or a backup forget what the database has overwritten;
// that an answer which was sent arrives. A power cut differs from kill -9 in what was written and not synced, which
// these tests do not show.
package proof
