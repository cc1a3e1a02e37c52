package server

import (
	"net/http"
	"time"

	"github.com/berthhq/berth/internal/backup"
)

// backupHandler serves GET /_berth/backup: the data directory as a tar file. It contains keys, so only the key
// of the data directory is accepted.
func (s *Server) backupHandler(w http.ResponseWriter, r *http.Request) {
	if !s.owner(r) {
		http.Error(w, "only the access key of this server's data directory may back it up", http.StatusForbidden)
		return
	}
	// Copying a large directory takes time; the reader decides how long.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // it may have no deadlines
	w.Header().Set("Content-Type", "application/x-tar")
	src := backup.Source{Dir: s.dir.Path, State: s.journal.Copy, Blobs: s.blobs.Freeze, Logs: s.logs.Freeze,
		Metrics: s.points.Freeze}
	if err := backup.Write(r.Context(), w, src, time.Now()); err != nil {
		s.cfg.Logger.Error("a backup failed", "err", err)
		panic(http.ErrAbortHandler) // so that the caller does not mistake a part for a whole backup
	}
}
