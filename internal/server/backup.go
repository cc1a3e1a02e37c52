package server

import (
	"net/http"
	"time"

	"github.com/berthhq/berth/internal/backup"
)

// backupHandler is GET /_berth/backup: the data directory as a tar file. The keys are in it, so only the
// key of the directory itself may ask.
func (s *Server) backupHandler(w http.ResponseWriter, r *http.Request) {
	if !s.owner(r) {
		http.Error(w, "only the access key of this server's data directory may back it up", http.StatusForbidden)
		return
	}
	// A large directory takes its time; whoever reads it decides how long.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // without deadlines there is none to lift
	w.Header().Set("Content-Type", "application/x-tar")
	src := backup.Source{Dir: s.dir.Path, State: s.journal.Copy, Blobs: s.blobs.Freeze}
	if err := backup.Write(r.Context(), w, src, time.Now()); err != nil {
		s.cfg.Logger.Error("a backup failed", "err", err)
		panic(http.ErrAbortHandler) // so that the caller does not take what it got for a whole one
	}
}
