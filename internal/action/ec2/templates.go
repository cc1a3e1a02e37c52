package ec2

import (
	"context"
	"slices"
	"strconv"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

func templateMissing(id, name string) error {
	if id != "" {
		return fault.New("InvalidLaunchTemplateId.NotFound",
			"The specified launch template, with template ID %s, does not exist.", id)
	}
	return fault.New("InvalidLaunchTemplateName.NotFoundException",
		"The specified launch template, with template name %s, does not exist.", name)
}

// template finds a template by id or by name.
func template(t *state.Tables, call *awswire.Call, id, name *string) (*fleet.LaunchTemplate, error) {
	if (request.Value(id) == "") == (request.Value(name) == "") {
		return nil, fault.New("MissingParameter",
			"The request must contain either LaunchTemplateId or LaunchTemplateName")
	}
	for lt := range t.LaunchTemplates.Prefix(fleet.KeyPrefix(call.Region, call.Account)) {
		if lt.ID == request.Value(id) || lt.Name == request.Value(name) {
			return lt, nil
		}
	}
	return nil, templateMissing(request.Value(id), request.Value(name))
}

func versionMissing(version string) error {
	return fault.New("InvalidLaunchTemplateId.VersionNotFound", "Could not find launch template version %s", version)
}

// findVersion resolves what RunInstances says of a template.
func findVersion(t *state.Tables, call *awswire.Call, in *shape.LaunchTemplateSpecification) (fleet.Resolved, error) {
	lt, err := template(t, call, in.LaunchTemplateId, in.LaunchTemplateName)
	if err != nil {
		return fleet.Resolved{}, err
	}
	r, ok := fleet.ResolveTemplate(lt, request.Value(in.Version))
	if !ok {
		return r, versionMissing(request.Value(in.Version))
	}
	return r, nil
}

func (a *api) createTemplate(
	ctx context.Context, call *awswire.Call, in *shape.CreateLaunchTemplateInput,
) (*shape.CreateLaunchTemplateOutput, error) {
	name := request.Value(in.LaunchTemplateName)
	if err := checkTemplateName(name); err != nil {
		return nil, err
	}
	data, err := parseTemplateData(in.LaunchTemplateData)
	if err != nil {
		return nil, err
	}
	tags, err := tagsFor("launch-template", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	lt := &fleet.LaunchTemplate{ID: newid.EC2(call.Random, "lt"), Name: name,
		Region: call.Region, Account: call.Account,
		CreatedAt: call.Now, CreatedBy: call.Principal.ARN, Default: 1, Latest: 1, Tags: tags,
		Versions: []fleet.TemplateVersion{{Number: 1, Description: request.Value(in.VersionDescription),
			CreatedAt: call.Now, CreatedBy: call.Principal.ARN, Data: data}}}
	lt.ClientToken, lt.ParameterHash = request.Token(in.ClientToken, in)
	out := lt
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		made, err := request.Made(tx.LaunchTemplates.By(state.LaunchTemplatesByClientToken,
			tokenEntry(call, lt.ClientToken)), lt.ParameterHash,
			func(t *fleet.LaunchTemplate) string { return t.ParameterHash }, mismatch)
		if err != nil {
			return err
		}
		if len(made) > 0 {
			out = made[0]
			return nil
		}
		for o := range tx.LaunchTemplates.Prefix(fleet.KeyPrefix(call.Region, call.Account)) {
			if o.Name == name {
				return fault.New("InvalidLaunchTemplateName.AlreadyExistsException",
					"Launch template name already in use.")
			}
		}
		tx.LaunchTemplates.Put(lt)
		return nil
	})
	return &shape.CreateLaunchTemplateOutput{LaunchTemplate: answerLaunchTemplate(out)}, err
}

// checkTemplateName holds a name to EC2's rule: 3 to 128 letters, digits and ( ) . - / _.
func checkTemplateName(name string) error {
	ok := len(name) >= 3 && len(name) <= 128
	for _, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		ok = ok && (letter || r == '(' || r == ')' || r == '.' || r == '-' || r == '/' || r == '_')
	}
	if !ok {
		return fault.New("InvalidLaunchTemplateName.MalformedException",
			"A launch template name must be between 3 and 128 characters, and may contain letters, "+
				"numbers, and the following characters: - ( ) . / _.")
	}
	return nil
}

// changeTemplate runs fn on a copy of a template and stores it.
func (a *api) changeTemplate(
	ctx context.Context, call *awswire.Call, id, name *string, fn func(*fleet.LaunchTemplate) error,
) error {
	return a.store.Update(ctx, func(tx *state.Tx) error {
		lt, err := template(&tx.Tables, call, id, name)
		if err != nil {
			return err
		}
		c := *lt
		c.Versions = slices.Clone(lt.Versions)
		if err := fn(&c); err != nil {
			return err
		}
		tx.LaunchTemplates.Put(&c)
		return nil
	})
}

func (a *api) createTemplateVersion(
	ctx context.Context, call *awswire.Call, in *shape.CreateLaunchTemplateVersionInput,
) (*shape.CreateLaunchTemplateVersionOutput, error) {
	data, err := parseTemplateData(in.LaunchTemplateData)
	if err != nil {
		return nil, err
	}
	out := &shape.CreateLaunchTemplateVersionOutput{}
	return out, a.changeTemplate(ctx, call, in.LaunchTemplateId, in.LaunchTemplateName,
		func(lt *fleet.LaunchTemplate) error {
			v := fleet.TemplateVersion{Number: lt.Latest + 1, Description: request.Value(in.VersionDescription),
				CreatedAt: call.Now, CreatedBy: call.Principal.ARN, Data: data}
			v.ClientToken, v.ParameterHash = request.Token(in.ClientToken, in)
			made, err := request.Made(request.Where(slices.Values(lt.Versions), func(o fleet.TemplateVersion) bool {
				return v.ClientToken != "" && o.ClientToken == v.ClientToken
			}), v.ParameterHash, func(o fleet.TemplateVersion) string { return o.ParameterHash }, mismatch)
			if err != nil {
				return err
			}
			if len(made) > 0 {
				out.LaunchTemplateVersion = new(answerVersion(lt, made[0]))
				return nil
			}
			if in.SourceVersion != nil {
				source, ok := lt.Version(*in.SourceVersion)
				if !ok {
					return versionMissing(*in.SourceVersion)
				}
				v.Data = source.Data.Merge(data)
			}
			lt.Latest, lt.Versions = v.Number, append(lt.Versions, v)
			out.LaunchTemplateVersion = new(answerVersion(lt, v))
			return nil
		})
}

// modifyTemplate needs no client token: a call that is repeated changes nothing.
func (a *api) modifyTemplate(
	ctx context.Context, call *awswire.Call, in *shape.ModifyLaunchTemplateInput,
) (*shape.ModifyLaunchTemplateOutput, error) {
	out := &shape.ModifyLaunchTemplateOutput{}
	return out, a.changeTemplate(ctx, call, in.LaunchTemplateId, in.LaunchTemplateName,
		func(lt *fleet.LaunchTemplate) error {
			if in.DefaultVersion != nil {
				v, ok := lt.Version(*in.DefaultVersion)
				if !ok {
					return versionMissing(*in.DefaultVersion)
				}
				lt.Default = v.Number
			}
			out.LaunchTemplate = answerLaunchTemplate(lt)
			return nil
		})
}

func (a *api) deleteTemplate(
	ctx context.Context, call *awswire.Call, in *shape.DeleteLaunchTemplateInput,
) (*shape.DeleteLaunchTemplateOutput, error) {
	out := &shape.DeleteLaunchTemplateOutput{}
	return out, a.store.Update(ctx, func(tx *state.Tx) error {
		lt, err := template(&tx.Tables, call, in.LaunchTemplateId, in.LaunchTemplateName)
		if err != nil {
			return err
		}
		tx.LaunchTemplates.Delete(lt.Key())
		out.LaunchTemplate = answerLaunchTemplate(lt)
		return nil
	})
}

func (a *api) deleteTemplateVersions(
	ctx context.Context, call *awswire.Call, in *shape.DeleteLaunchTemplateVersionsInput,
) (*shape.DeleteLaunchTemplateVersionsOutput, error) {
	out := &shape.DeleteLaunchTemplateVersionsOutput{}
	return out, a.changeTemplate(ctx, call, in.LaunchTemplateId, in.LaunchTemplateName,
		func(lt *fleet.LaunchTemplate) error {
			*out = shape.DeleteLaunchTemplateVersionsOutput{}
			for _, word := range in.Versions {
				n, _ := strconv.ParseInt(word, 10, 64)
				code, message := "", ""
				i := slices.IndexFunc(lt.Versions, func(v fleet.TemplateVersion) bool { return v.Number == n })
				switch {
				case i < 0:
					code, message = "launchTemplateVersionDoesNotExist", "Could not find launch template version "+word
				case n == lt.Default:
					code, message = "unexpectedError", "The default version of a launch template cannot be "+
						"deleted: set another version as default first."
				}
				if code != "" {
					out.UnsuccessfullyDeletedLaunchTemplateVersions = append(
						out.UnsuccessfullyDeletedLaunchTemplateVersions,
						shape.DeleteLaunchTemplateVersionsResponseErrorItem{
							LaunchTemplateId: &lt.ID, LaunchTemplateName: &lt.Name, VersionNumber: &n,
							ResponseError: &shape.ResponseError{Code: code, Message: &message}})
					continue
				}
				lt.Versions = slices.Delete(lt.Versions, i, i+1)
				out.SuccessfullyDeletedLaunchTemplateVersions = append(out.SuccessfullyDeletedLaunchTemplateVersions,
					shape.DeleteLaunchTemplateVersionsResponseSuccessItem{
						LaunchTemplateId: &lt.ID, LaunchTemplateName: &lt.Name, VersionNumber: &n})
			}
			return nil
		})
}

func answerLaunchTemplate(lt *fleet.LaunchTemplate) *shape.LaunchTemplate {
	return &shape.LaunchTemplate{LaunchTemplateId: &lt.ID, LaunchTemplateName: &lt.Name,
		CreateTime: &lt.CreatedAt, CreatedBy: request.Optional(lt.CreatedBy), DefaultVersionNumber: new(lt.Default),
		LatestVersionNumber: new(lt.Latest), Tags: answerTags(lt.Tags)}
}

func (a *api) describeTemplates(
	_ context.Context, call *awswire.Call, in *shape.DescribeLaunchTemplatesInput,
) (*shape.DescribeLaunchTemplatesOutput, error) {
	t := &a.store.View().Tables
	ids := slices.Clone(in.LaunchTemplateIds)
	for _, name := range in.LaunchTemplateNames {
		lt, err := template(t, call, nil, &name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, lt.ID)
	}
	l := lister[*fleet.LaunchTemplate]{
		id:      func(lt *fleet.LaunchTemplate) string { return lt.ID },
		missing: func(ids []string) error { return templateMissing(ids[0], "") },
		sample:  &fleet.LaunchTemplate{},
		tags:    func(lt *fleet.LaunchTemplate) tag.Set { return lt.Tags },
		fields: func(lt *fleet.LaunchTemplate) map[string][]string {
			return map[string][]string{"launch-template-name": {lt.Name},
				"create-time": {lt.CreatedAt.UTC().Format("2006-01-02T15:04:05Z")}}
		},
	}
	found, next, err := l.find(call,
		slices.Collect(t.LaunchTemplates.Prefix(fleet.KeyPrefix(call.Region, call.Account))),
		query{ids, in.Filters, templatePages.Ask(in.MaxResults, in.NextToken)})
	return &shape.DescribeLaunchTemplatesOutput{NextToken: next, LaunchTemplates: request.Answers(found,
		func(lt *fleet.LaunchTemplate) shape.LaunchTemplate { return *answerLaunchTemplate(lt) })}, err
}
