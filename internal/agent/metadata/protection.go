package metadata

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/fault"
)

// protectedTask and protectionFailure are from the API.
type protectedTask struct {
	ExpirationDate    *acs.Time `json:"expirationDate"`
	ProtectionEnabled bool      `json:"protectionEnabled"`
	TaskARN           string    `json:"taskArn"`
}

type protectionFailure struct {
	ARN    string `json:"arn"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// protection passes a container's request for protection from scale-in on to the API, with the credentials of
// its task's role.
func (s *Server) protection(action string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t, _ := s.find(r.PathValue("id"))
		if t == nil {
			s.unknown(w, r, http.StatusNotFound, "NotFoundException", "no container has this ID")
			return
		}
		in := map[string]any{"cluster": s.cfg.Cluster, "tasks": []string{t.Task.ARN}}
		if action == "UpdateTaskProtection" {
			if err := readProtection(r.Body, in); err != nil {
				s.refuseProtection(w, http.StatusBadRequest, t.Task.ARN, "InvalidParameterException", err.Error())
				return
			}
		}
		c, ok := s.cfg.Credentials.Get(t.RoleCredentialsID)
		if !ok {
			s.refuseProtection(w, http.StatusForbidden, t.Task.ARN, "AccessDeniedException",
				"the task has no role that may ask for this")
			return
		}
		var out struct {
			ProtectedTasks []protectedTask     `json:"protectedTasks"`
			Failures       []protectionFailure `json:"failures"`
		}
		err := s.cfg.Protection(r.Context(), c, action, in, &out)
		switch f, isFault := errors.AsType[*fault.Error](err); {
		case isFault:
			s.refuseProtection(w, f.HTTPStatus(), t.Task.ARN, f.Code, f.Message)
		case err != nil:
			s.refuseProtection(w, http.StatusGatewayTimeout, t.Task.ARN, "RequestCanceled",
				"the control plane does not answer")
		case len(out.Failures) > 0:
			f := out.Failures[0]
			answer(w, map[string]any{
				"failure": map[string]string{"Arn": f.ARN, "Reason": f.Reason, "Detail": f.Detail},
			})
		case len(out.ProtectedTasks) > 0:
			answer(w, map[string]any{"protection": protectionView(out.ProtectedTasks[0])})
		default:
			s.refuseProtection(w, http.StatusInternalServerError, t.Task.ARN, "ServerException", "the answer is empty")
		}
	}
}

// readProtection converts a container's request into one of the API.
func readProtection(body io.Reader, in map[string]any) error {
	var request struct {
		ProtectionEnabled *bool
		ExpiresInMinutes  *int64
	}
	d := json.NewDecoder(io.LimitReader(body, 64<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(&request); err != nil {
		return err
	}
	if request.ProtectionEnabled == nil {
		return errors.New("ProtectionEnabled is missing: it must be true or false")
	}
	in["protectionEnabled"] = *request.ProtectionEnabled
	if request.ExpiresInMinutes != nil {
		in["expiresInMinutes"] = *request.ExpiresInMinutes
	}
	return nil
}

func protectionView(p protectedTask) map[string]any {
	v := map[string]any{"ProtectionEnabled": p.ProtectionEnabled, "TaskArn": p.TaskARN, "ExpirationDate": nil}
	if p.ExpirationDate != nil {
		v["ExpirationDate"] = p.ExpirationDate.Time
	}
	return v
}

func (s *Server) refuseProtection(w http.ResponseWriter, status int, arn, code, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"Arn": arn, "Code": code, "Message": text}})
}
