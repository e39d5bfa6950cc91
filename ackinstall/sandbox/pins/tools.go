//go:build tools

// Package tools names the programs that the sandbox builds, so that one go.mod pins them all.
package tools

import (
	_ "github.com/aws-controllers-k8s/sagemaker-controller/cmd/controller"
	_ "github.com/google/go-containerregistry/cmd/crane"
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
)
