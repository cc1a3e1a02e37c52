package ecs

// checkUnavailable refuses by name what has no room to go to yet, so that nothing a task definition
// says is silently left out.
func (d *TaskDefinition) checkUnavailable(c *ContainerDefinition) error {
	switch {
	case len(c.Secrets) > 0:
		return client("secrets are not available yet (container '%s'): pass the value with environment.", c.Name)
	case c.LogConfiguration != nil && len(c.LogConfiguration.SecretOptions) > 0:
		return client("secretOptions are not available yet (container '%s'): pass the value with options.", c.Name)
	case len(c.EnvironmentFiles) > 0:
		return client("environmentFiles are not available yet (container '%s'): pass the values "+
			"with environment.", c.Name)
	case c.RepositoryCredentials != nil:
		return client("repositoryCredentials are not available yet (container '%s'): push the image to the "+
			"built-in registry.", c.Name)
	}
	return nil
}
