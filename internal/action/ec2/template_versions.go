package ec2

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// numbered is a version with its template.
type numbered struct {
	lt *fleet.LaunchTemplate
	v  fleet.TemplateVersion
}

func (a *api) describeTemplateVersions(
	_ context.Context, call *awswire.Call, in *shape.DescribeLaunchTemplateVersionsInput,
) (*shape.DescribeLaunchTemplateVersionsOutput, error) {
	all, err := versions(&a.store.View().Tables, call, in)
	if err != nil {
		return nil, err
	}
	l := lister[numbered]{
		id:     func(n numbered) string { return fmt.Sprintf("%s/%012d", n.lt.ID, n.v.Number) },
		sample: numbered{lt: &fleet.LaunchTemplate{}},
		fields: func(n numbered) map[string][]string {
			return map[string][]string{"image-id": one(n.v.Data.ImageID),
				"instance-type":        one(n.v.Data.InstanceType),
				"iam-instance-profile": one(n.v.Data.Profile), "kernel-id": nil,
				"is-default-version": boolean(n.v.Number == n.lt.Default), "create-time": {
					n.v.CreatedAt.UTC().Format("2006-01-02T15:04:05Z"),
				}, "ebs-optimized": boolean(request.Value(n.v.Data.EBSOptimized))}
		},
	}
	asked := templatePages.Ask(in.MaxResults, in.NextToken)
	asked.Descending = true // the latest first
	found, next, err := l.find(call, all, query{filters: in.Filters, asked: asked})
	return &shape.DescribeLaunchTemplateVersionsOutput{NextToken: next, LaunchTemplateVersions: request.Answers(found,
		func(n numbered) shape.LaunchTemplateVersion { return answerVersion(n.lt, n.v) })}, err
}

// versions finds those that a call names. Without a template "$Latest" and "$Default" ask for that
// version of every template.
func versions(t *state.Tables, call *awswire.Call, in *shape.DescribeLaunchTemplateVersionsInput) ([]numbered, error) {
	if request.Value(in.LaunchTemplateId) != "" || request.Value(in.LaunchTemplateName) != "" {
		lt, err := template(t, call, in.LaunchTemplateId, in.LaunchTemplateName)
		if err != nil {
			return nil, err
		}
		return versionsOf(lt, in)
	}
	var all []numbered
	for _, word := range in.Versions {
		if word != "$Latest" && word != "$Default" {
			return nil, fault.New("MissingParameter",
				"The request must contain either LaunchTemplateId or LaunchTemplateName")
		}
		for lt := range t.LaunchTemplates.Prefix(fleet.KeyPrefix(call.Region, call.Account)) {
			if v, ok := lt.Version(word); ok {
				all = append(all, numbered{lt, v})
			}
		}
	}
	if len(in.Versions) == 0 {
		return nil, fault.New("MissingParameter",
			"The request must contain either LaunchTemplateId or LaunchTemplateName")
	}
	return all, nil
}

func versionsOf(lt *fleet.LaunchTemplate, in *shape.DescribeLaunchTemplateVersionsInput) ([]numbered, error) {
	var all []numbered
	if len(in.Versions) > 0 {
		for _, word := range in.Versions {
			v, ok := lt.Version(word)
			if !ok {
				return nil, versionMissing(word)
			}
			if !slices.ContainsFunc(all, func(n numbered) bool { return n.v.Number == v.Number }) {
				all = append(all, numbered{lt, v})
			}
		}
		return all, nil
	}
	low, err1 := strconv.ParseInt(orDefault(request.Value(in.MinVersion), "1"), 10, 64)
	high, err2 := strconv.ParseInt(orDefault(request.Value(in.MaxVersion), strconv.FormatInt(lt.Latest, 10)), 10, 64)
	if err1 != nil || err2 != nil {
		return nil, invalid("MinVersion and MaxVersion must be numbers.")
	}
	for _, v := range lt.Versions {
		if v.Number >= low && v.Number <= high {
			all = append(all, numbered{lt, v})
		}
	}
	return all, nil
}

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

func answerVersion(lt *fleet.LaunchTemplate, v fleet.TemplateVersion) shape.LaunchTemplateVersion {
	return shape.LaunchTemplateVersion{LaunchTemplateId: &lt.ID, LaunchTemplateName: &lt.Name,
		VersionNumber: &v.Number, VersionDescription: request.Optional(v.Description), CreateTime: &v.CreatedAt,
		CreatedBy: request.Optional(v.CreatedBy), DefaultVersion: new(v.Number == lt.Default),
		LaunchTemplateData: answerTemplateData(v.Data)}
}
